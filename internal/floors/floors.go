// Package floors holds the plan of the house: which package stands on which floor. A
// package imports only floors below its own, never sideways, never up. The test beside
// it walks the imports and enforces it.
package floors

import "strings"

// Module is the path that every package begins with.
const Module = "fairlead.dev/fairlead"

// Plan gives the floor of each package, by its path below the module; "" is the module
// root. A path that ends in /... is for all packages below it, which may import the
// package that they are below of, and what is below themselves.
func Plan() map[string]int {
	return map[string]int{
		"ref":              0, // image names
		"pattern":          1, // match patterns
		"internal/nearest": 0, // which name a mistyped one was meant to be
		"":                 2, // the dictionary

		"wire":               3, // what is spoken with our clients
		"internal/oci":       3, // what is spoken with registries
		"internal/sqlstore":  3, // what the two stores have in common
		"internal/eventfile": 3, // events in files

		"client":                4,
		"internal/seal":         4,
		"internal/sqlite":       4,
		"internal/postgres":     4,
		"internal/together":     4,
		"internal/blob":         4,
		"internal/blob/...":     4,
		"internal/depot":        4,
		"internal/provider":     4,
		"internal/provider/...": 4,
		"internal/identity":     4,
		"internal/stepfile":     4,
		"internal/engine":       4,
		"internal/engine/...":   4,
		"internal/leash":        4,
		"internal/imagefile":    4, // images as they lie on a disk
		"internal/manifest":     4, // what an organization is to be, as a file
		"internal/clientlogin":  4,

		"internal/vault":            5,
		"internal/issuer":           5,
		"internal/broker":           5,
		"internal/cache":            5,
		"internal/control":          5,
		"internal/proof":            5,
		"internal/diagnose":         5,
		"internal/survey":           5,
		"internal/deploy":           5,
		"internal/watch":            5,
		"internal/webhook":          5,
		"internal/runs":             5,
		"internal/worker":           5,
		"internal/localcredentials": 5,
		"internal/metrics":          5,
		"internal/renewal":          5,
		"internal/replica":          5, // what the servers of one house share for their gateways

		"internal/api":     6,
		"internal/gateway": 6,
		"internal/web":     6,

		"internal/server": 7,

		"cmd/fairlead": 8,
	}
}

// TestRooms are packages that only tests and the demonstration import; they may import
// any package of the house.
func TestRooms() []string {
	return []string{"internal/conform", "internal/pyimage", "internal/dockertest", "internal/registrytest", "internal/cloudtest", "internal/pgtest", "internal/s3test", "fairleadtest", "internal/demo", "internal/bench", "internal/floors", "internal/e2e"}
}

// Floor gives the floor of a package by its path below the module, false if the plan
// doesn't have it.
func Floor(path string) (int, bool) {
	plan := Plan()
	if floor, ok := plan[path]; ok {
		return floor, true
	}
	for dir := path; strings.Contains(dir, "/"); {
		dir = dir[:strings.LastIndexByte(dir, '/')]
		if floor, ok := plan[dir+"/..."]; ok {
			return floor, true
		}
	}
	return 0, false
}

// Allowed reports whether one package of the house may import another.
func Allowed(from, to string) bool {
	if below(from, to) || within(to, from) {
		return true
	}
	a, okFrom := Floor(from)
	b, okTo := Floor(to)
	return okFrom && okTo && b < a
}

// within reports whether part is a part of its own of one of a family: what is below
// internal/engine/runc is that engine's.
func within(part, of string) bool {
	dir, _, found := strings.Cut(strings.TrimPrefix(of, "internal/"), "/")
	_, family := Plan()["internal/"+dir+"/..."]
	return found && family && strings.HasPrefix(part, of+"/")
}

// below reports whether from is below the package to and on its floor: a family below
// internal/provider, an engine below internal/engine.
func below(from, to string) bool {
	_, family := Plan()[to+"/..."]
	return family && strings.HasPrefix(from, to+"/")
}
