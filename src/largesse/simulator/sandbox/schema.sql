-- The sandbox provider's own memory; the product never reads it. Made at start, kept for ever.

CREATE TABLE IF NOT EXISTS sandbox_checkout (
    id             text PRIMARY KEY,
    key            uuid NOT NULL UNIQUE,
    reference      text NOT NULL,
    amount_minor   bigint NOT NULL CHECK (amount_minor > 0),
    currency       text NOT NULL,
    description    text NOT NULL,
    return_url     text NOT NULL,
    status         text NOT NULL DEFAULT 'open' CHECK (status IN
        ('open', 'pending', 'captured', 'declined', 'expired', 'refunded')),
    charge_id      text UNIQUE,
    decline_code   text,
    created_at     timestamptz NOT NULL,
    expires_at     timestamptz NOT NULL,
    confirm_at     timestamptz
);
CREATE INDEX IF NOT EXISTS sandbox_checkout_confirm
    ON sandbox_checkout (confirm_at) WHERE status = 'pending';
CREATE INDEX IF NOT EXISTS sandbox_checkout_expiry
    ON sandbox_checkout (expires_at) WHERE status = 'open';

CREATE TABLE IF NOT EXISTS sandbox_refund (
    id           text PRIMARY KEY,
    key          uuid NOT NULL UNIQUE,
    charge_id    text NOT NULL UNIQUE,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    currency     text NOT NULL,
    created_at   timestamptz NOT NULL
);

CREATE TABLE IF NOT EXISTS sandbox_transfer (
    id           text PRIMARY KEY,
    key          uuid NOT NULL UNIQUE,
    payout       text NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    currency     text NOT NULL,
    destination  text NOT NULL,
    status       text NOT NULL DEFAULT 'pending' CHECK (status IN
        ('pending', 'settled', 'returned')),
    outcome      text NOT NULL CHECK (outcome IN ('settled', 'returned')),
    reason       text,
    created_at   timestamptz NOT NULL,
    decided_at   timestamptz NOT NULL
);
CREATE INDEX IF NOT EXISTS sandbox_transfer_due
    ON sandbox_transfer (decided_at) WHERE status = 'pending';

CREATE TABLE IF NOT EXISTS sandbox_notification (
    id           text PRIMARY KEY,
    body         text NOT NULL,
    attempts     integer NOT NULL DEFAULT 0,
    created_at   timestamptz NOT NULL,
    due_at       timestamptz NOT NULL,
    delivered_at timestamptz
);
CREATE INDEX IF NOT EXISTS sandbox_notification_due
    ON sandbox_notification (due_at) WHERE delivered_at IS NULL;
