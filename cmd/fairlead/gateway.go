package main

import (
	"time"

	"github.com/spf13/cobra"

	"fairlead.dev/fairlead/internal/gateway"
	"fairlead.dev/fairlead/internal/server"
)

// gatewayFlags say how the gateway of a server behaves.
type gatewayFlags struct {
	on       bool
	quota    int64 // in GB
	settings gateway.Settings
}

func (g *gatewayFlags) add(c *cobra.Command) {
	d := gateway.Default()
	f := c.Flags()
	f.BoolVar(&g.on, "gateway", true, "be a pull-through cache for clients of registries, at /v2/")
	f.BoolVar(&g.settings.Hub, "gateway-docker-hub", false, "serve names without a registry out of Docker Hub, as a mirror of it")
	f.Int64Var(&g.quota, "gateway-quota", 0, "how many gigabytes the gateway keeps (default: as many as the disk has room for)")
	f.DurationVar(&g.settings.TagLife, "gateway-tag-life", d.TagLife, "for how long a tag isn't asked for again")
	f.DurationVar(&g.settings.GrantLife, "gateway-grant-life", d.GrantLife, "for how long a registry's yes holds: a right that is taken away there ends here within it")
	f.DurationVar(&g.settings.StaleLimit, "gateway-stale-limit", d.StaleLimit, "for how long what was granted is served while a registry doesn't answer")
}

func (g *gatewayFlags) check() error {
	for flag, d := range map[string]time.Duration{
		"--gateway-tag-life": g.settings.TagLife, "--gateway-grant-life": g.settings.GrantLife, "--gateway-stale-limit": g.settings.StaleLimit,
	} {
		if d <= 0 {
			return usage("%s %s is no time: give one such as 30s", flag, d)
		}
	}
	if g.quota < 0 {
		return usage("--gateway-quota %d is no number of gigabytes: give 1 or more", g.quota)
	}
	if g.settings.StaleLimit < g.settings.GrantLife {
		return usage("--gateway-stale-limit %s is shorter than --gateway-grant-life %s: give a longer one", g.settings.StaleLimit, g.settings.GrantLife)
	}
	return nil
}

func (g *gatewayFlags) set(o *server.Options) {
	const gigabyte = 1e9
	o.NoGateway, o.Gateway, o.GatewayQuota = !g.on, g.settings, g.quota*gigabyte
}
