package vault

import (
	"context"
	"strings"

	"fairlead.dev/fairlead"
)

// Compare says of each given secret field whether it is the one that is stored, to
// whoever may replace it, and records that they asked. Nothing is kept for it: a
// fingerprint beside the sealed field would be one more thing to seal, to rotate and to
// steal, and who steals it together with its key can try secrets at home. So the field
// is opened, compared in constant time and forgotten, and whoever wants to try secrets
// needs the right to replace them and leaves an event for each try. A field
// of which nothing is stored is different.
func (v *Vault) Compare(
	ctx context.Context, who fairlead.Caller, org fairlead.OrganizationID, name fairlead.Name, given map[string]fairlead.Secret,
) (same, different []string, err error) {
	at := fairlead.Place{Organization: org}
	if err := who.May(fairlead.ConnectorUpdate, at); err != nil {
		return nil, nil, err
	}
	c, err := v.store.ConnectorByName(ctx, org, name)
	if err != nil {
		return nil, nil, err
	}
	fields := secretNames(given)
	err = v.store.Write(ctx, func(context.Context, fairlead.Writer) (fairlead.Event, error) {
		return who.Event(fairlead.ConnectorUpdate, at, object(c)).With("did", "compare").With("fields", strings.Join(fields, ",")), nil
	})
	if err != nil {
		return nil, nil, err
	}
	opened, err := v.read(ctx, c)
	if err != nil {
		return nil, nil, err
	}
	for _, f := range fields {
		if stored, ok := opened.Secret[f]; ok && stored.Equal(given[f]) {
			same = append(same, f)
		} else {
			different = append(different, f)
		}
	}
	return same, different, nil
}
