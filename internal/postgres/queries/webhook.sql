-- part: webhook
h.organization_id, h.id, h.name, h.url, h.events, h.created

-- name: Webhook
SELECT {webhook} FROM webhooks h WHERE h.organization_id = $1 AND h.id = $2

-- name: WebhookByName
SELECT {webhook} FROM webhooks h WHERE h.organization_id = $1 AND h.name = $2

-- name: WebhooksOf
SELECT {webhook} FROM webhooks h WHERE h.organization_id = $1 ORDER BY h.name

-- name: WebhookKey
SELECT sealed FROM webhooks WHERE organization_id = $1 AND id = $2

-- name: AddWebhook
INSERT INTO webhooks (organization_id, id, name, url, events, sealed, created) VALUES ($1, $2, $3, $4, $5, $6, $7)

-- name: AddWebhookAction
INSERT INTO webhook_actions (organization_id, action, webhook_id) VALUES ($1, $2, $3)
ON CONFLICT (organization_id, action, webhook_id) DO NOTHING

-- name: RemoveWebhook
DELETE FROM webhooks WHERE organization_id = $1 AND id = $2

-- name: ResealWebhook
UPDATE webhooks SET sealed = $3 WHERE organization_id = $1 AND id = $2

-- part: delivery
organization_id, webhook_id, event_id, action, created, attempts, next, ended, delivered, error

-- name: DeliveriesOf
SELECT {delivery} FROM webhook_deliveries WHERE organization_id = $1 AND webhook_id = $2
ORDER BY event_id DESC LIMIT $3

-- name: AddDelivery
INSERT INTO webhook_deliveries ({delivery}) VALUES ($1, $2, $3, $4, $5, $6, $7, NULL, FALSE, '')

-- An event goes to whoever asked for its like.
-- name: AddDeliveries
INSERT INTO webhook_deliveries ({delivery})
SELECT organization_id, webhook_id, $3::text, action, $4::bigint, 0, $4::bigint, NULL, FALSE, ''
FROM webhook_actions WHERE organization_id = $1 AND action = $2

-- name: ClaimDelivery
UPDATE webhook_deliveries SET next = $2, attempts = attempts + 1
WHERE (organization_id, webhook_id, event_id) IN
  (SELECT organization_id, webhook_id, event_id FROM webhook_deliveries WHERE next <= $1 ORDER BY next LIMIT 1
   FOR NO KEY UPDATE SKIP LOCKED)
RETURNING {delivery}

-- name: NoteDelivery
UPDATE webhook_deliveries SET next = $4, ended = $5, delivered = $6, error = $7
WHERE organization_id = $1 AND webhook_id = $2 AND event_id = $3

-- name: SweepDeliveries
DELETE FROM webhook_deliveries WHERE ended < $1
