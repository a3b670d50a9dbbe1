"""An index of all limits, and the limits of one message, which every entry point enforces.

Settings (the operator chooses; 0 disables a limit)
    settings: send_rate_per_minute, poll_rate_per_minute, max_messages_month, max_storage_bytes
    settings: max_agents, max_domains
    settings: http_max_in_flight, smtp_max_message_bytes, smtp_max_connections, smtp_max_connections_per_address

Accounts and their data
    accounts.limits: DEFAULT_LIMITS
    accounts.credentials: MAX_CREDENTIAL_CHARS
    accounts.idempotency: KEPT, TAKEOVER_AFTER
    contacts.fields: MAX_ADDRESS_CHARS, MAX_NAME_CHARS, MAX_KEYS, MAX_KEY_OCTETS, MAX_VALUE_OCTETS, MAX_METADATA_OCTETS
    contacts.importing: MAX_ROWS
    contract.protection: MAX_ALLOWLIST
    domains.claims: CLAIM_LIFETIME
    domains.names: MAX_DOMAIN_CHARS
    erasure.expired: DELIVERIES_KEPT
    local.messages: MAX_LABELS_PER_MESSAGE
    local.templates: MAX_TEMPLATES, MAX_NAME_BYTES
    http.pages.command_line: MAX_NAME
    http.pages.guards: MAX_FIELDS, MAX_FILES, MAX_PATH_CHARS
    http.pages.contacts: MAX_PROBLEMS_SHOWN
    http.pages.message: MAX_FILES, MAX_STEPS
    http.pages.words: MAX_LINE_CHARS
    people.membership: MAX_PEOPLE, MAX_NAME_CHARS
    http.pages.sign_in: MAX_ADDRESS_CHARS
    people.failures: MAX_LOGGED, LOGGED_WITHIN
    people.identities: MAX_IDENTITIES
    people.openid.flow: MAX_CODE_CHARS
    people.openid.id_token: MAX_TOKEN_OCTETS, MAX_SUBJECT_CHARS
    people.passkeys: MAX_PASSKEYS, MAX_NAME_CHARS
    people.sessions: MAX_TOKEN_CHARS, MAX_USER_AGENT_CHARS, MAX_SESSIONS_SHOWN
    protection.config: MAX_HOLD_TTL
    templates.language: MAX_SOURCE_BYTES, MAX_RENDERED_BYTES, MAX_DATA_DEPTH

Sending
    submission.admission: REPLIES_PER_HOUR
    submission.repeats: REPEAT_WINDOW
    submission.retry: MAX_ATTEMPTS, PATIENCE
    submission.waiting: WAIT_SENT_SECONDS, WAIT_SELF_SECONDS
    http.pages.mail_html: MAX_FRAME_CHARS, MAX_PICTURE_OCTETS
    http.pages.review: MAX_LINKS, MAX_EARLIER, MAX_FILES
    http.pages.review_edit: MAX_COMPARED_LINES
    http.pages.review_words: MAX_SHOWN
    reviews.bodies: MAX_WORDS
    reviews.notice: MAX_SUBJECT_CHARS, MAX_LISTED
    reviews.views: MAX_FILES
    reviews.pace: FAST_NOTICES
    mail.generate: MAX_TEXT_LINE, MAX_LINE_OCTETS
    mail.fields: MAX_WORD_CHARS
    messages.uploads: MAX_NAME_CHARS, MAX_ENDING_CHARS

Telling of events
    push.targets: MAX_URL_LENGTH
    push.catalogue: MAX_CHARS
    push.occurrence: MAX_PAYLOAD_OCTETS, MAX_ADDRESS_CHARS, MAX_TEXT_CHARS, MAX_RECIPIENTS
    push.post: TIMEOUT_SECONDS, ANSWER_OCTETS
    local.webhooks: MAX_WEBHOOKS
    local.event_subscriptions: MAX_OF_PRINCIPAL, MAX_OF_DEPLOYMENT, MIN_TTL, MAX_TTL
    subscriptions.signed: MAX_BODY_OCTETS
    subscriptions.limits: AT_ONCE, AT_ONCE_OF_CALLER, PER_HOST, PER_CALLER, PER_PROCESS
    subscriptions.deliver: WAITS, GONE_IN_A_ROW
    webhooks.check: MAX_FILTER_VALUES, MAX_DESCRIPTION_BYTES
    webhooks.turn: ATTEMPTS, CONCURRENT
    webhooks.deliver: ENDPOINTS
    metrics.webhooks: MAX_ENDPOINTS

Receiving
    smtpserver.limits: IntakeLimits
    offload: MAX_ON_LOOP_OCTETS, MAX_THREADS
    smtpserver.receive: MAX_RECEIVED
    mail.addresses: MAX_LOCAL_OCTETS, MAX_ADDR_SPEC_OCTETS, MAX_FIELD_CHARS, MAX_MAILBOX_CHARS, MAX_REMEMBERED_CHARS
    mail.body: MAX_TEXT_BYTES, MAX_HTML_BYTES, MAX_FULL_TEXT_BYTES, MAX_SOURCE_BYTES
    mail.body: MAX_LETTER_BYTES, MAX_BODY_PARTS, MAX_STUB_CHARS, MAX_POINTER_CHARS
    mail.attachments: MAX_ENDING_CHARS
    mail.codes: MAX_CODES, MAX_LINKS, MAX_SCANNED_CHARS, MAX_MATCHES
    mail.containers: MAX_INFLATED_BYTES
    mail.der: MAX_ELEMENTS, MAX_CHILDREN
    mail.domains: MAX_DOMAIN_OCTETS
    mail.dsn: MAX_REPORT_BYTES, MAX_RECIPIENTS, MAX_CANDIDATES
    mail.dsn_words: MAX_TEXT_BYTES, MAX_DIAGNOSTIC_CHARS, MAX_PARAGRAPHS
    mail.embedded: MAX_NESTED, MAX_NESTED_LEVELS, MAX_NESTED_TEXT_BYTES
    mail.headers: MAX_HEADER_FIELDS, MAX_HEADER_BYTES, MAX_HEADER_LINES
    mail.html: MAX_QUOTE_DEPTH
    mail.html_rules: MAX_RULES, MAX_NODES, MAX_CSS_CHARS, MAX_VARIABLES, MAX_VARIABLE_CHARS, MAX_VARIED_CHARS
    mail.html_selectors: MAX_COMPOUNDS, MAX_SELECTOR_CHARS, MAX_ALTERNATIVES
    mail.html_styles: MAX_VALUE_CHARS, MAX_REMEMBERED_CHARS, MAX_REMEMBERED_PROPERTIES
    mail.html_tokens: MAX_URL_CHARS
    mail.html_visible: MAX_HTML_CHARS, MAX_HTML_TOKENS, MAX_OPEN, MAX_STEPS, MAX_ALIKE
    mail.mailboxes: MAX_UNREADABLE, MAX_ENTRY_CHARS, MAX_SHOWN_CHARS
    mail.mime: MAX_DEPTH, MAX_PARTS, MAX_BOUNDARY_CANDIDATES, MAX_OPENED, MAX_PART_FIELDS, MAX_BOUNDARY_CHARS
    mail.parameters: MAX_FIELD_CHARS, MAX_PARAMETERS
    mail.parse: MAX_NAME_CHARS, MAX_NAMES, MAX_IDS
    mail.quote_marks: MAX_ATTRIBUTION_CHARS
    mail.quoting: MAX_ATTRIBUTION_LINES
    mail.threading: MAX_REFERENCES, MAX_LOOKUP_IDS
    mail.tnef: MAX_ATTRIBUTES, MAX_FILES, MAX_PROPERTIES, MAX_VALUES
    mail.trace: MAX_WORD_CHARS

Authentication
    authentication.arc: MAX_SETS
    authentication.canonical: MAX_HEADER_OCTETS, MAX_TAGS
    authentication.dkim: MAX_SIGNATURES
    authentication.dmarc: MAX_WALK_LOOKUPS
    authentication.header: MAX_VALUE_CHARACTERS
    authentication.keys: MAX_RSA_BITS
    authentication.names: MAX_LABEL_OCTETS, MAX_NAME_OCTETS
    authentication.replay: MAX_ROUNDS
    authentication.resolver: MAX_POSITIVE_TTL_SECONDS, MAX_NEGATIVE_TTL_SECONDS, MAX_CACHED_ANSWERS
    authentication.resolver: MAX_CACHED_ANSWER_OCTETS, MAX_RECORDS
    authentication.spf: MAX_RECORD_CHARACTERS, MAX_DOMAIN_SPEC_CHARACTERS
    authentication.verdicts: MAX_VERDICTS

Reading and searching
    paging: MAX_LIMIT
    messages.conditions: MAX_TEXT_OCTETS, MAX_LABEL, MAX_LABELS, MAX_QUERY
    messages.driving: MAX_COUNTED
    messages.filter_syntax: MAX_FILTER_CHARS
    messages.index_queries: MAX_VECTOR_BYTES, MAX_TERMS_BYTES
    messages.query_words: MAX_WORDS
    messages.search: MAX_HITS, MAX_BUCKETS
    messages.terms: MAX_SEARCHED_CHARS, MAX_TERMS, MAX_TERM_CHARS
    remote.description: MAX_REFERENCES
    messages.views: MAX_REMEMBERED_CHARS
    documents.document: MAX_TEXT
    documents.picture: MAX_SIDE, MAX_PIXELS
    documents.reader: MAX_FILE, MAX_ANSWER, SECONDS, WORKERS
    documents.worker: MEMORY, CPU_SECONDS
    extraction.job: MAX_ATTACHMENTS
    extraction.relist: BATCH
    extraction.reindex: BATCH
    local.backlog: MAX_COUNTED
    local.messages: MAX_INLINE_BYTES, DOWNLOAD_LIFETIME
    local.metrics: MAX_GROUPS
    setting_sources: MAX_OCTETS
    store.sqlite.recent: MAX_ROWS

HTTP server and client
    json_bounds: MAX_JSON_VALUES, MAX_PROBLEMS
    contract.operation: BODY_OCTETS, FILES_OCTETS
    http.edge: MAX_REQUEST_ID, MAX_STREAMS, MAX_SOCKETS, MAX_TOKEN_CHARS, BODY_SECONDS
    http.websocket: MAX_OBSERVERS
    http.irregular: MAX_FEEDBACK_BYTES
    http.limits: REGISTRATION, DOWNLOAD, UNSUBSCRIBE, FEEDBACK
    sliding: MAX_KEYS
    instants: MAX_DELAY_DIGITS
    http.links: MAX_FORM_OCTETS, MAX_INDEX_DIGITS
    http.unsubscribe: MAX_FORM_OCTETS
    http.websocket_connection: MAX_FRAME_OCTETS, WRITE_SECONDS
    remote.answers: MAX_RETRY_SECONDS
    remote.bounded: MAX_ANSWER_OCTETS, MAX_SLOW_ANSWER_OCTETS, MAX_DESCRIPTION_OCTETS
    remote.client: MAX_CONNECTIONS
    remote.doorbell: MAX_FRAME_OCTETS
    remote.following: MAX_TOLD

Module names are relative to `e2a_core`. Each MCP tool module states how much of an answer its tools show.
"""

from __future__ import annotations

from datetime import timedelta

__all__ = [
    "MAX_AHEAD",
    "MAX_ATTACHMENTS",
    "MAX_ATTACHMENTS_BYTES",
    "MAX_ATTACHMENT_BYTES",
    "MAX_BODY_CHARS",
    "MAX_COMPOSED_BYTES",
    "MAX_CONVERSATION_ID",
    "MAX_MESSAGE_OCTETS",
    "MAX_REASON_CHARS",
    "MAX_RECIPIENTS",
    "MAX_RECIPIENT_CHARS",
    "MAX_SUBJECT_CHARS",
]

MAX_RECIPIENTS = 50
"""To, Cc and Bcc together. Agents write to people, not to lists."""
MAX_RECIPIENT_CHARS = 320
"""Characters: 64 for the local part, 1 for the @, 255 for the domain (RFC 5321 section 4.5.3.1)."""
MAX_SUBJECT_CHARS = 2000
"""Characters; more than any mail client shows."""
MAX_BODY_CHARS = 1024 * 1024
"""Characters of the text, and of the HTML. Longer content belongs in an attachment."""
MAX_CONVERSATION_ID = 200
"""Characters; the id is sent in a header field (RFC 5322 section 2.1.1 limits a line to 998)."""
MAX_ATTACHMENTS = 10
"""A person opens attachments one by one."""
MAX_ATTACHMENT_BYTES = 10 * 1024 * 1024
"""Octets; mail servers accept a file of this size."""
MAX_ATTACHMENTS_BYTES = 25 * 1024 * 1024
"""Octets of all attachments together. In base64 they fit the 36 MB that large providers accept."""
MAX_COMPOSED_BYTES = MAX_ATTACHMENTS_BYTES + 1024 * 1024
"""Octets; room for the largest set of attachments and the text."""
MAX_MESSAGE_OCTETS = 40 * 1024 * 1024
"""Octets of a message as it travels, sent or received. Base64 makes 78 octets of 57, so the largest composed message
stays below, and what one deployment sends another one takes."""
MAX_AHEAD = timedelta(days=90)
"""How far ahead a send may be scheduled."""
MAX_REASON_CHARS = 2000
"""Characters of a reviewer's reason for rejecting a message."""
