// Package fairlead is the dictionary of the house: its nouns, who may do what with
// them, the errors that everybody speaks, and the two interfaces that everything else
// hangs on. [Keychain] answers the one question that runs through the house (may this
// caller do this action on this resource, and with which login?), and [Store] keeps
// the state. The package does no I/O.
//
// The nouns, one word per thing in code, SQL, URLs, the CLI and the pages:
//
//   - organization: owns members, projects, connectors, registries, stacks and workers
//   - member: a user in an organization, with the role admin or member
//   - project: where runs happen; owned by an organization, or by one user (personal)
//   - connector: an authenticated account with a provider
//   - registry: a registry address that the organization uses: pattern + connector
//   - stack: the registry that a project pushes to, the engine and queue of its runs
//   - lease: a short-lived login for one resource and one action
//   - step: one entry of a valohai.yaml
//   - run: one execution of a step
//   - worker: claims runs and performs them on an engine
//   - caller: who is asking: subject, organizations, rights
//   - event: who did what to what, when, allowed or not
package fairlead
