package gcpartifactregistry

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"fairlead.dev/fairlead"
)

// rightForm is how a repository is written.
const rightForm = "<REGION>-docker.pkg.dev/<PROJECT_ID>/<REPOSITORY_NAME>"

// poolForm is how a workload identity provider is written.
const poolForm = "projects/<NUMBER>/locations/global/workloadIdentityPools/<POOL>/providers/<PROVIDER>"

// grammar is the expressions of the family, all anchored at both ends: a host that only
// begins or ends like Google's would be sent Google's tokens.
//
// Sources: docs.cloud.google.com/artifact-registry/docs/docker/names,
// .../docs/reference/endpoints (docker.<region>.rep.pkg.dev), .../docs/repositories/repo-locations;
// docs.cloud.google.com/resource-manager/docs/creating-managing-projects (IDs).
type grammar struct{ location, host, starred, pool, loosePool, account, project *regexp.Regexp }

func newGrammar() grammar {
	const (
		region   = `[a-z]+-[a-z]+[0-9]{1,2}`
		location = `(?:` + region + `|us|europe|asia)`
		segment  = `([a-z][a-z0-9-]{2,30}[a-z0-9])`
	)
	return grammar{
		location: regexp.MustCompile(`^` + location + `$`),
		host:     regexp.MustCompile(`^(?:` + location + `-docker\.pkg\.dev|docker\.` + region + `\.rep\.pkg\.dev|(?:us\.|eu\.|asia\.)?gcr\.io)$`),
		starred:  regexp.MustCompile(`^(?:[a-z0-9*-]+-docker\.pkg\.dev|docker\.[a-z0-9*-]+\.rep\.pkg\.dev|\*\.gcr\.io)$`),
		pool: regexp.MustCompile(`^(?:(?:https:)?//iam\.googleapis\.com/)?(projects/([0-9]+)/locations/global/workloadIdentityPools/` +
			segment + `/providers/` + segment + `)$`),
		loosePool: regexp.MustCompile(`^(?:(?:https:)?//iam\.googleapis\.com/)?projects/([^/]+)/locations/global/workloadIdentityPools/[^/]+/providers/[^/]+$`),
		account:   regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{0,90}@([a-z0-9-]+\.)*gserviceaccount\.com$`),
		project:   regexp.MustCompile(`^(?:[a-z0-9-]+(?:\.[a-z0-9-]+)+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]$`),
	}
}

var rules = newGrammar() //nolint:gochecknoglobals // Compiled once and never changed.

func hostForms() []string {
	return []string{"<location>-docker.pkg.dev", "docker.<region>.rep.pkg.dev", "gcr.io", "us.gcr.io", "eu.gcr.io", "asia.gcr.io"}
}

// Owns knows the family's hosts.
func (Provider) Owns(host string) bool { return rules.host.MatchString(host) }

// mayBeHost reports whether a host, or a pattern's host, can be one of the family's.
func mayBeHost(host string) bool {
	return rules.host.MatchString(host) || strings.Contains(host, "*") && rules.starred.MatchString(host)
}

func isLocation(s string) bool { return rules.location.MatchString(s) }
func isAccount(s string) bool  { return len(s) <= 254 && rules.account.MatchString(s) }
func isProject(s string) bool  { return rules.project.MatchString(s) }

func isNumber(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// pool is a workload identity pool's provider.
type pool struct {
	name         string // projects/...
	number       string
	id, provider string
}

// audience is what the provider's tokens are asked for, and with https: in front what a
// subject token has to be for (docs.cloud.google.com/iam/docs/workload-identity-federation-with-other-providers).
func (p pool) audience() string { return "//iam.googleapis.com/" + p.name }

// principal is the name under which roles are given to a subject of the pool.
func (p pool) principal(subject string) string {
	return fmt.Sprintf("principal://iam.googleapis.com/projects/%s/locations/global/workloadIdentityPools/%s/subject/%s", p.number, p.id, subject)
}

// parsePool reads a provider's resource name, also with the service's name in front.
func parsePool(s string) (pool, error) {
	s = strings.TrimSpace(s)
	if m := rules.pool.FindStringSubmatch(s); m != nil {
		return pool{name: m[1], number: m[2], id: m[3], provider: m[4]}, nil
	}
	e := &fairlead.Error{
		Kind: fairlead.Invalid, Field: providerField, What: "reading workload identity provider",
		Why:    quoted(s) + " is not a workload identity provider's full resource name",
		Remedy: "write " + poolForm + "; `gcloud iam workload-identity-pools providers describe PROVIDER --workload-identity-pool=POOL --location=global --format='value(name)'` prints it",
	}
	if s == "" {
		e.Why = "the workload identity provider is missing"
	} else if m := rules.loosePool.FindStringSubmatch(s); m != nil && !isNumber(m[1]) {
		e.Why = quoted(m[1]) + " stands where the project's number has to stand"
		e.Remedy = "write the number instead of the ID: `gcloud projects describe PROJECT_ID --format='value(projectNumber)'` prints it"
	}
	return pool{}, e
}

func quoted(s string) string { return strconv.Quote(fairlead.Clip(s)) }

// oldHost gives the location to which a host of Container Registry leads; the
// repository there is called like the host
// (docs.cloud.google.com/artifact-registry/docs/transition/gcr-repositories).
func oldHost(host string) (location string, ok bool) {
	switch host {
	case "gcr.io", "us.gcr.io":
		return "us", true
	case "eu.gcr.io":
		return "europe", true
	case "asia.gcr.io":
		return "asia", true
	}
	return "", false
}

// locationOf gives the location of a host that the family owns.
func locationOf(host string) string {
	if l, ok := oldHost(host); ok {
		return l
	}
	if l, ok := strings.CutSuffix(host, "-docker.pkg.dev"); ok {
		return l
	}
	return strings.TrimSuffix(strings.TrimPrefix(host, "docker."), ".rep.pkg.dev")
}
