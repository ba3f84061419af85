package vault

import (
	"maps"
	"slices"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/seal"
)

// sealAll seals secrets for a connector at its version.
func sealAll(keys *seal.DataKeys, c fairlead.Connector, secrets map[string]fairlead.Secret) ([]fairlead.SealedField, error) {
	var list []fairlead.SealedField
	for _, name := range secretNames(secrets) {
		b, err := keys.Seal(seal.Field{Connector: c.ID, Version: c.Version, Name: name}, secrets[name])
		if err != nil {
			return nil, err
		}
		list = append(list, fairlead.SealedField{Field: name, Version: c.Version, Sealed: b})
	}
	return list, nil
}

// secretNames lists the fields that are set, sorted.
func secretNames(secrets map[string]fairlead.Secret) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(secrets)) {
		if !secrets[name].IsZero() {
			names = append(names, name)
		}
	}
	return names
}

// keptSecrets lists the stored secrets that the method still has and that aren't given
// anew.
func keptSecrets(m fairlead.Method, stored []string, given map[string]fairlead.Secret) []string {
	var kept []string
	for _, f := range m.Fields {
		if f.Secret && slices.Contains(stored, f.Name) && given[f.Name].IsZero() {
			kept = append(kept, f.Name)
		}
	}
	return kept
}

// merged lays the given public fields over the stored ones that the method still has.
func merged(m fairlead.Method, stored, given map[string]string) map[string]string {
	all := map[string]string{}
	for _, f := range m.Fields {
		if value, ok := stored[f.Name]; ok && !f.Secret {
			all[f.Name] = value
		}
	}
	maps.Copy(all, given)
	return withoutEmpty(all)
}

func withoutEmpty(fields map[string]string) map[string]string {
	var set map[string]string
	for name, value := range fields {
		if value == "" {
			continue
		}
		if set == nil {
			set = map[string]string{}
		}
		set[name] = value
	}
	return set
}

// bound refuses a change of where secrets may go that comes without the secrets.
func bound(m fairlead.Method, old, c fairlead.Connector, kept []string) error {
	if len(kept) == 0 {
		return nil
	}
	for _, f := range m.Fields {
		if f.Binds && old.Public[f.Name] != c.Public[f.Name] {
			return &fairlead.Error{
				Kind: fairlead.Invalid, Field: f.Name, What: "updating connector " + string(old.Name),
				Why:    f.Name + " says where the secret may go, and the secret wasn't given with the change",
				Remedy: "give the secret again in the same command",
			}
		}
	}
	return nil
}
