package api

import (
	"context"
	"strings"
	"testing"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
	"fairlead.dev/fairlead/internal/provider/awsecr"
	"fairlead.dev/fairlead/internal/provider/azurecontainerregistry"
)

// keyed is an issuer whose keys are given.
type keyed string

func (keyed) URL() string                            { return "https://fairlead.example.com" }
func (keyed) Discovery() ([]byte, error)             { return nil, nil }
func (k keyed) Keys(context.Context) ([]byte, error) { return []byte(k), nil }

const (
	keyRS = `{"kty":"RSA","kid":"a","alg":"RS256","use":"sig","n":"sXchDaQebHnPiGvyDOAT4saGEUetSyo9MKLOoWFsueri23bOdgWp4Dy1WlUzewbgBHod5pcM9H95GQRV3JDXboIRROSBigeC5yjU1hGzHHyXss8UDprecbAYxknTcQkhslANGRUZmdTOQ5qTRsLAt6BTYuyvVRdhS8exSZEy_c4gs_7svlJJQ4H9_NxsiIoLwAEk7-Q3UXERGYw_75IDrGA84-lA_-Ct4eTlXHBIY2EaV7t7LjJaynVJCpkv4LKjTTAumiGUIuQhrNhZLuF_RJLqHpM2kgWFLU7-VTdL1VbC2tejvcI2BlMkEpk1BzBZI0KQB0GaDWFLN-aEAw3vRw","e":"AQAB"}`
	keyES = `{"kty":"EC","kid":"b","alg":"ES256","use":"sig","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}`
)

// TestUnverified warns where the provider can't verify what the issuer signs, and only
// there.
func TestUnverified(t *testing.T) {
	t.Parallel()
	entra := fairlead.Connector{Family: azurecontainerregistry.Family, Method: "federation"}
	for name, c := range map[string]struct {
		issuer Issuer
		of     fairlead.Connector
		warns  bool
	}{
		"RS256":        {keyed(`{"keys":[` + keyRS + `]}`), entra, false},
		"ES256":        {keyed(`{"keys":[` + keyRS + `,` + keyES + `]}`), entra, true},
		"a secret":     {keyed(`{"keys":[` + keyES + `]}`), fairlead.Connector{Family: azurecontainerregistry.Family, Method: "service-principal"}, false},
		"who takes it": {keyed(`{"keys":[` + keyES + `]}`), fairlead.Connector{Family: awsecr.Family, Method: "federation"}, false},
		"no issuer":    {nil, entra, false},
		"no keys":      {keyed("x"), entra, false},
		"no family":    {keyed("x"), fairlead.Connector{}, false},
	} {
		a := &API{Options: Options{Issuer: c.issuer, Providers: provider.Set{azurecontainerregistry.New(provider.Tools{}), awsecr.New(provider.Tools{})}}}
		got := a.unverified(t.Context(), c.of)
		if (len(got) == 1) != c.warns || c.warns && (got[0].Name != "warning" || !strings.Contains(got[0].Value, "ES256") || !strings.Contains(got[0].Value, "--algorithm RS256")) {
			t.Errorf("%s: %v", name, got)
		}
	}
}
