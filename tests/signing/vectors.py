"""Known answers for the signing formats, computed independently of this code."""

from __future__ import annotations

SECRET = b"0123456789abcdef0123456789abcdef"
OTHER_SECRET = b"fedcba9876543210fedcba9876543210"
MESSAGE_ID = "msg_00112233445566778899aabbccddeeff"

RAW_MESSAGE = (
    b"From: alice@example.org\r\n"
    b"To: bot@agents.example.net\r\n"
    b"Subject: hi\r\n"
    b"Message-ID: <m1@example.org>\r\n"
    b"\r\n"
    b"hello\r\n"
)
BODY_HASH = "2608eb36c37eabe5dc95431b0a0c201a5568ff386cc82ff6bd6f5221c5a86e98"
AUTH_SIGNATURE = "b20aa5c22ff23e712bd812768118fd1bcebe404018e018c5164d0ff7df2dfdc5"
AUTH_SIGNATURE_DELEGATED = "4e5e68f8fb1ffc355d6b43032f6fc78aef23144734b1648fa0b858bb35ba9e70"

WEBHOOK_SECRET = "whsec_test"
WEBHOOK_TIME = 1782475200
WEBHOOK_BODY = (
    b'{"type":"email.received","id":"evt_0","schema_version":"1",'
    b'"created_at":"2026-06-26T12:00:00Z","data":{}}'
)
WEBHOOK_V1 = "ef7d3d5ec2fb3fdf968e91d27b4caef405e70a178e1ac9b2e70ec5c74f7b2bd2"

APPROVAL_EXPIRY = 1782476200
APPROVAL_TOKEN = (
    "bXNnXzAwMTEyMjMzNDQ1NTY2Nzc4ODk5YWFiYmNjZGRlZWZmfGFwcHJvdmV8MTc4MjQ3NjIwMA"
    ".u2Y03PVAutNZXmasZj4uGiXab9kkVih1_ZDFiEYiaGo"
)
UNSUBSCRIBE_TOKEN = "u1_lC78dWpWm-o9OTwP4YN0xVyIpbauiLnq4YKdpcxkHY0"
