package main

import (
	"time"

	"github.com/spf13/cobra"

	"fairlead.dev/fairlead/internal/depot"
	"fairlead.dev/fairlead/internal/gateway"
	"fairlead.dev/fairlead/internal/server"
)

// gatewayFlags say how the gateway of a server behaves.
type gatewayFlags struct {
	on                       bool
	quota, organizationQuota int64 // in GB
	keepGoing                string
	settings                 gateway.Settings
}

func (g *gatewayFlags) add(c *cobra.Command) {
	d := gateway.Default()
	f := c.Flags()
	f.BoolVar(&g.on, "gateway", true, "be a pull-through cache for clients of registries, at /v2/")
	f.BoolVar(&g.settings.Hub, "gateway-docker-hub", false, "serve names without a registry out of Docker Hub, as a mirror of it")
	f.Int64Var(&g.quota, "gateway-quota", 0, "how many gigabytes the gateway keeps (default: as many as the disk has room for)")
	f.Int64Var(&g.organizationQuota, "gateway-organization-quota", 0, "how many gigabytes the gateway keeps for an organization (default: no limit but the gateway's)")
	f.StringVar(&g.keepGoing, "gateway-keep-going", string(depot.Half), "what becomes of a blob on its way that no client waits for any more: it goes on if half of it is there (half), always (finish), or never (abandon)")
	f.DurationVar(&g.settings.TagLife, "gateway-tag-life", d.TagLife, "for how long a tag isn't asked for again")
	f.DurationVar(&g.settings.Grace, "gateway-tag-grace", d.Grace, "for how long after that a tag is served while it is asked for behind the client's back")
	f.DurationVar(&g.settings.GrantLife, "gateway-grant-life", d.GrantLife, "for how long a registry's yes holds: a right that is taken away there ends here within it")
	f.DurationVar(&g.settings.StaleLimit, "gateway-stale-limit", d.StaleLimit, "for how long what was granted is served while a registry doesn't answer")
	f.DurationVar(&g.settings.Budget, "gateway-budget", d.Budget, "for how long a client waits for a registry where there is an older answer")
}

func (g *gatewayFlags) check() error {
	for flag, d := range map[string]time.Duration{
		"--gateway-tag-life": g.settings.TagLife, "--gateway-grant-life": g.settings.GrantLife, "--gateway-stale-limit": g.settings.StaleLimit,
		"--gateway-tag-grace": g.settings.Grace, "--gateway-budget": g.settings.Budget,
	} {
		if d <= 0 {
			return usage("%s %s is no time: give one such as 30s", flag, d)
		}
	}
	for flag, n := range map[string]int64{"--gateway-quota": g.quota, "--gateway-organization-quota": g.organizationQuota} {
		if n < 0 {
			return usage("%s %d is no number of gigabytes: give 1 or more", flag, n)
		}
	}
	switch depot.Policy(g.keepGoing) {
	case depot.Half, depot.Finish, depot.Abandon:
	default:
		return usage("--gateway-keep-going %q is none: give half, finish or abandon", g.keepGoing)
	}
	if g.settings.StaleLimit < g.settings.GrantLife {
		return usage("--gateway-stale-limit %s is shorter than --gateway-grant-life %s: give a longer one", g.settings.StaleLimit, g.settings.GrantLife)
	}
	return nil
}

func (g *gatewayFlags) set(o *server.Options) {
	const gigabyte = 1e9
	o.NoGateway, o.Gateway, o.GatewayQuota = !g.on, g.settings, g.quota*gigabyte
	o.GatewayOrganizationQuota, o.GatewayKeepGoing = g.organizationQuota*gigabyte, depot.Policy(g.keepGoing)
}
