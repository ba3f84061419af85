package vault

import (
	"context"
	"crypto/rand"
	"encoding/base64"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/seal"
)

// How the keys of webhooks look (Standard Webhooks, "Signature scheme": a prefix, and 24
// to 64 random bytes in base64).
const (
	webhookPrefix = "whsec_"
	webhookBytes  = 32
)

// webhookField is what a webhook's key is sealed for. No method has a field of the name,
// and no connector the identifier of a webhook.
func webhookField(id fairlead.WebhookID) seal.Field {
	return seal.Field{Connector: fairlead.ConnectorID(id), Version: 1, Name: "webhook.key"}
}

// NewWebhookKey makes the key with which a webhook's messages are signed: as its owner
// is shown it, once, and sealed. Like [Vault.Add] it asks for no right.
func (v *Vault) NewWebhookKey(ctx context.Context, w fairlead.Writer, org fairlead.OrganizationID, id fairlead.WebhookID) (fairlead.Secret, []byte, error) {
	keys, err := v.lockedKeys(ctx, w, org)
	if err != nil {
		return fairlead.Secret{}, nil, err
	}
	raw := make([]byte, webhookBytes)
	_, _ = rand.Read(raw) // never fails (crypto/rand)
	sealed, err := keys.Seal(webhookField(id), fairlead.NewSecret(raw))
	return fairlead.SecretText(webhookPrefix + base64.StdEncoding.EncodeToString(raw)), sealed, err
}

// SignWebhook gives the HMAC-SHA256 of a message with a webhook's key, which stays
// inside. It asks for no right: only the server, for its own work, gets at it.
func (v *Vault) SignWebhook(ctx context.Context, org fairlead.OrganizationID, id fairlead.WebhookID, message []byte) ([]byte, error) {
	for try := 1; ; try++ {
		wrapped, err := v.store.WrappedKeys(ctx, org)
		if err != nil {
			return nil, err
		}
		keys, err := v.unwrap(wrapped)
		if err != nil {
			return nil, err
		}
		sealed, err := v.store.WebhookKey(ctx, org, id)
		if err != nil {
			return nil, err
		}
		key, err := keys.Open(webhookField(id), sealed)
		if err == nil {
			return seal.Sign(key, message), nil
		}
		// As in read: a rotation may have come between the two.
		if fairlead.CodeOf(err) != fairlead.CodeWrongKey || try == openTries {
			return nil, err
		}
	}
}

// resealWebhooks seals the keys of the organization's webhooks with the newest data key.
func resealWebhooks(ctx context.Context, w fairlead.Writer, org fairlead.OrganizationID, keys *seal.DataKeys) error {
	hooks, err := w.WebhooksOf(ctx, org)
	if err != nil {
		return err
	}
	for _, h := range hooks {
		sealed, err := w.WebhookKey(ctx, org, h.ID)
		if err != nil {
			return err
		}
		key, err := keys.Open(webhookField(h.ID), sealed)
		if err != nil {
			return err
		}
		if sealed, err = keys.Seal(webhookField(h.ID), key); err != nil {
			return err
		}
		if err := w.ResealWebhook(ctx, org, h.ID, sealed); err != nil {
			return err
		}
	}
	return nil
}
