// Package gateway is the door for clients of registries: one pull-through cache in front
// of every registry, which speaks the pull side of the OCI Distribution Specification.
//
// No lease, no bytes, on a hit as on a miss. Four rules hold that up:
//
//   - What is remembered, is remembered for one organization, one registry entry, one
//     connector and one repository (a [view]): never for a host or a digest alone.
//   - A view may be read from while its grant holds: the upstream has answered its login
//     within the grant's life. 401, 403 and 404 end the grant at once; time-outs, 429 and
//     5xx don't, and then what is there goes on being served for a limited time.
//   - A manifest is served to a view only after the view's own login has fetched it, and a
//     blob only after the upstream has said to that login that the repository has it.
//     A digest by itself opens nothing.
//   - Bytes are kept once for all organizations, but a host that says it has a blob is
//     believed only if the kept bytes came from that host. Otherwise its own bytes are
//     passed on and checked: who runs a registry of their own can't claim another's blob.
//
// A name that isn't in reach is asked for upstream as if nothing were kept.
package gateway
