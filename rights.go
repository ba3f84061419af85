package fairlead

// Role is what a member is in an organization.
type Role string

// The roles of members.
const (
	Admin  Role = "admin"
	Member Role = "member"
)

// Action is one thing that a caller may do, as noun.verb. It is the word of the
// rights table, of a token's scopes and of events.
type Action string

// The actions.
const (
	OrganizationCreate Action = "organization.create"
	OrganizationRead   Action = "organization.read"
	OrganizationUpdate Action = "organization.update"

	MemberRead   Action = "member.read"
	MemberAdd    Action = "member.add"
	MemberUpdate Action = "member.update"
	MemberRemove Action = "member.remove"

	ProjectCreate   Action = "project.create"
	ProjectRead     Action = "project.read"
	ProjectUpdate   Action = "project.update"
	ProjectTransfer Action = "project.transfer"
	ProjectDelete   Action = "project.delete"

	ConnectorRead     Action = "connector.read"
	ConnectorRegister Action = "connector.register"
	ConnectorUpdate   Action = "connector.update"
	ConnectorRotate   Action = "connector.rotate"
	ConnectorRollback Action = "connector.rollback"
	ConnectorDelete   Action = "connector.delete"
	ConnectorVerify   Action = "connector.verify"
	ConnectorDiscover Action = "connector.discover"
	ConnectorOpen     Action = "connector.open"
	// ConnectorState is that a connector does otherwise than before.
	ConnectorState Action = "connector.state"
	ConnectorRenew Action = "connector.renew"

	RegistryRead   Action = "registry.read"
	RegistryAdd    Action = "registry.add"
	RegistryUpdate Action = "registry.update"
	RegistryRemove Action = "registry.remove"

	StackRead     Action = "stack.read"
	StackRegister Action = "stack.register"
	StackUpdate   Action = "stack.update"
	StackDelete   Action = "stack.delete"

	RepositoryDeploy  Action = "repository.deploy"
	RepositoryDestroy Action = "repository.destroy"

	WebhookRead   Action = "webhook.read"
	WebhookAdd    Action = "webhook.add"
	WebhookTest   Action = "webhook.test"
	WebhookRemove Action = "webhook.remove"

	// What the gateway keeps for an organization.
	GatewayRead     Action = "gateway.read"
	GatewayPrune    Action = "gateway.prune"
	GatewayPin      Action = "gateway.pin"
	GatewayUnpin    Action = "gateway.unpin"
	GatewayPrefetch Action = "gateway.prefetch"

	LeasePull Action = "lease.pull"
	LeasePush Action = "lease.push"

	RunCreate  Action = "run.create"
	RunRead    Action = "run.read"
	RunStop    Action = "run.stop"
	RunPerform Action = "run.perform"

	WorkerRead   Action = "worker.read"
	WorkerAdd    Action = "worker.add"
	WorkerRemove Action = "worker.remove"

	EventRead Action = "event.read"

	TokenCreate Action = "token.create"
	TokenRead   Action = "token.read"
	TokenRevoke Action = "token.revoke"

	SessionBegin Action = "session.begin"
	SessionEnd   Action = "session.end"
	PasswordSet  Action = "password.set"

	SetUp     Action = "setup"
	KeyRotate Action = "key.rotate"
)

// rights says, for one action, who may do it. What isn't set may not.
type rights struct {
	admin, member bool // that role in the organization that owns the thing
	owner         bool // the user to whom the personal project belongs
	user          bool // every user, about their own things or what belongs to nobody yet
	worker        bool // the worker that holds the run
	system        bool // the house itself: first start, expiry, trials on a schedule, key rotation on its own machine
}

// table is the one place where it is written who may do what. An action that isn't in
// it may be done by nobody.
func table(a Action) rights {
	switch a {
	case OrganizationCreate, TokenCreate, TokenRead, TokenRevoke, SessionEnd, PasswordSet:
		return rights{user: true}
	case OrganizationRead, MemberRead, RegistryRead, ConnectorRead, StackRead, WorkerRead:
		return rights{admin: true, member: true}
	case OrganizationUpdate, MemberAdd, MemberUpdate, MemberRemove,
		ConnectorRegister, ConnectorUpdate, ConnectorRotate, ConnectorRollback, ConnectorDelete, ConnectorVerify, ConnectorDiscover,
		RegistryAdd, RegistryUpdate, RegistryRemove,
		StackRegister, StackUpdate, StackDelete,
		RepositoryDeploy, RepositoryDestroy,
		WebhookRead, WebhookAdd, WebhookTest, WebhookRemove,
		WorkerAdd, WorkerRemove, GatewayRead, GatewayPrune, GatewayPin, GatewayUnpin:
		return rights{admin: true, system: a == WorkerAdd || a == WorkerRemove || a == ConnectorVerify || a == GatewayRead || a == GatewayPrune}
	case LeasePush, GatewayPrefetch: // not owner: a personal project has no registries
		return rights{admin: true, member: true}
	case EventRead:
		return rights{admin: true, owner: true}
	case ProjectCreate, ProjectRead, RunCreate, RunRead, RunStop, LeasePull:
		return rights{admin: true, member: true, owner: true}
	case ProjectUpdate, ProjectTransfer, ProjectDelete:
		return rights{admin: true, owner: true}
	case RunPerform:
		return rights{worker: true, system: true}
	case ConnectorOpen, ConnectorState, ConnectorRenew, SetUp, SessionBegin, KeyRotate:
		return rights{system: true}
	default:
		return rights{}
	}
}

// Actions lists every action of the rights table, in the order of their declaration.
func Actions() []Action {
	return []Action{
		OrganizationCreate, OrganizationRead, OrganizationUpdate,
		MemberRead, MemberAdd, MemberUpdate, MemberRemove,
		ProjectCreate, ProjectRead, ProjectUpdate, ProjectTransfer, ProjectDelete,
		ConnectorRead, ConnectorRegister, ConnectorUpdate, ConnectorRotate, ConnectorRollback, ConnectorDelete,
		ConnectorVerify, ConnectorDiscover, ConnectorOpen, ConnectorState, ConnectorRenew,
		RegistryRead, RegistryAdd, RegistryUpdate, RegistryRemove,
		StackRead, StackRegister, StackUpdate, StackDelete,
		RepositoryDeploy, RepositoryDestroy,
		WebhookRead, WebhookAdd, WebhookTest, WebhookRemove,
		GatewayRead, GatewayPrune, GatewayPin, GatewayUnpin, GatewayPrefetch,
		LeasePull, LeasePush,
		RunCreate, RunRead, RunStop, RunPerform,
		WorkerRead, WorkerAdd, WorkerRemove,
		EventRead,
		TokenCreate, TokenRead, TokenRevoke,
		SessionBegin, SessionEnd, PasswordSet,
		SetUp, KeyRotate,
	}
}
