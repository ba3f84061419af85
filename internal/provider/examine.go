package provider

import (
	"maps"
	"time"

	"fairlead.dev/fairlead"
)

// Generate gives the public fields with those that the house makes and that were left
// empty.
func Generate(p Provider, m fairlead.Method, org fairlead.OrganizationID, public map[string]string) map[string]string {
	g, ok := p.(Generator)
	if !ok {
		return public
	}
	made := map[string]string{}
	for _, f := range m.Fields {
		if f.Generated && public[f.Name] == "" {
			made[f.Name] = g.Generate(f.Name, org)
		}
	}
	if len(made) == 0 {
		return public
	}
	maps.Copy(made, public)
	return made
}

// Examine checks a method's values by its description, by the family, and each secret
// by its form, and gives what the secrets say of themselves. Nobody is asked.
// [fairlead.Invalid], with the field.
func Examine(p Provider, m fairlead.Method, g Given, now time.Time) ([]fairlead.Fact, error) {
	if err := Check(m, g); err != nil {
		return nil, err
	}
	if err := p.Check(m.Name, g.Public); err != nil {
		return nil, err
	}
	if i, ok := p.(Inspector); ok {
		return i.Inspect(m.Name, g, now)
	}
	return nil, nil
}

// Power says in one line what a login of the connector can do; "" if its family doesn't
// say.
func (s Set) Power(c fairlead.Connector) string {
	p, err := s.Family(c.Family)
	if err != nil {
		return ""
	}
	if d, ok := p.(Describer); ok {
		return d.Power(c)
	}
	return ""
}

// Guide says how the connector is set up at its provider, for an issuer ("" if the server
// is none) and the organization whose it is: [fairlead.Invalid] for a family, a method
// or fields that there aren't.
func (s Set) Guide(c fairlead.Connector, issuer string, organization fairlead.Name) (fairlead.Guide, fairlead.Method, error) {
	p, err := s.Family(c.Family)
	if err != nil {
		return fairlead.Guide{}, fairlead.Method{}, err
	}
	m, err := MethodOf(p.Info(), c.Method)
	if err != nil {
		return fairlead.Guide{}, m, err
	}
	if err := unknown(m, Given{Public: c.Public}); err != nil {
		return fairlead.Guide{}, m, err
	}
	g, ok := p.(Guider)
	if !ok {
		return fairlead.Guide{}, m, &fairlead.Error{
			Kind: fairlead.NotFound, What: "guiding connector", Why: "family " + string(c.Family) + " has no guide", Remedy: "`fairlead connector types " + string(c.Family) + "` says what its methods ask for",
		}
	}
	c.Method = m.Name
	return g.Guide(c, issuer, SubjectName(organization, c.Name)), m, nil
}
