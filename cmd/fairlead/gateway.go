package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/internal/server"
	"fairlead.dev/fairlead/wire"
)

func (a *app) gatewayCommand() *cobra.Command {
	return parent("gateway", "What the gateway keeps of images, and how it does", nil,
		a.gatewayStatus(), a.gatewayUsage(), a.gatewayPrune(), a.gatewayPin(), a.gatewayUnpin(), a.gatewayPrefetch())
}

// addData adds the flag with which an operator sees everything.
func addData(c *cobra.Command, data *string) {
	c.Flags().StringVar(data, "data", "", "on the server's machine: its data directory, to see what it keeps for all (default: for the organization)")
}

// operator is a client of the server that has a data directory on this machine.
func (a *app) operator(ctx context.Context, data string) (*client.Client, error) {
	conn, err := server.DialOperator(ctx, data)
	if err != nil {
		return nil, err
	}
	_ = conn.Close() // it is there
	return client.New("http://localhost", client.WithUserAgent("fairlead/"+version()), client.WithTransport(&http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return server.DialOperator(ctx, data) },
	}))
}

// either asks the operator's door if a data directory is named, and otherwise about the
// organization.
func either[Mine, All, Out any](
	ctx context.Context, a *app, data string, all wire.Operation[All, Out], mine wire.Operation[Mine, Out], in func(wire.OrganizationPath) Mine,
) (Out, error) {
	var none Out
	if data != "" {
		c, err := a.operator(ctx, data)
		if err != nil {
			return none, err
		}
		var nothing All
		return client.Do(ctx, c, all, nothing)
	}
	c, at, err := a.inOrg(ctx)
	if err != nil {
		return none, err
	}
	return client.Do(ctx, c, mine, in(at))
}

func same(at wire.OrganizationPath) wire.OrganizationPath { return at }

func (a *app) gatewayStatus() *cobra.Command {
	var data string
	c := &cobra.Command{
		Use: "status", Short: "Show how the gateway does: room, hits, bytes, and each registry's limits", Args: cobra.NoArgs,
		Long: `Show how the gateway does for the organization: how much is kept, how often what was there
was enough, bytes from registries and to clients, and for each registry how long it takes to
answer, and how many pulls it says are left. With --data, on the server's machine: for all,
with what evictions there were and whether a registry gives ranges.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := either(cmd.Context(), a, data, wire.OperateStatus, wire.ShowGateway, same)
			if err != nil {
				return err
			}
			return a.show(s, func(w io.Writer) { a.printGateway(w, s) })
		},
	}
	addData(c, &data)
	return c
}

func (a *app) printGateway(w io.Writer, s fairlead.GatewayStatus) {
	if !s.On {
		_, _ = fmt.Fprintln(w, "The server has no gateway. Its operator turns it on: fairlead serve --gateway")
		return
	}
	quota := "as much as the disk has room for"
	if s.Quota > 0 {
		quota = byteCount(s.Quota)
	}
	whose := string(s.Organization)
	if whose == "" {
		whose = "all organizations"
	}
	kept := fmt.Sprintf("%s in %s", byteCount(s.Bytes), counted(s.Blobs, "blob"))
	if s.Pinned > 0 {
		kept += ", of which " + byteCount(s.Pinned) + " are pinned"
	}
	facts(w, "Gateway", s.Address, "For", whose, "Quota", quota, "Kept", kept, "Arriving", counted(s.Flights, "blob"),
		"Hits", fmt.Sprintf("%d of %s (%.0f %%), %d of them stale", s.Hits+s.Stales, counted(int(s.Hits+s.Misses+s.Stales), "request"), 100*s.HitRate(), s.Stales),
		"Traffic", fmt.Sprintf("%s from registries, %s to clients, %s saved", byteCount(s.Fetched), byteCount(s.Sent), byteCount(s.Saved())),
		"Counted since", a.ago(s.Since))
	if s.Organization == "" {
		facts(w, "Evicted", fmt.Sprintf("%s (%s)", counted(int(s.Evictions), "blob"), byteCount(s.Evicted)))
	}
	_, _ = fmt.Fprintln(w)
	var lines [][]string
	heading := []string{"REGISTRY", "HITS", "FETCHED", "SENT", "LATENCY", "LOGIN", "PULLS LEFT", "STATE"}
	all := s.Organization == ""
	if all {
		heading = append(heading, "RANGES")
	}
	for _, r := range s.Registries {
		for _, line := range a.registryLines(r) {
			if all {
				line = append(line, r.Ranges)
			}
			lines = append(lines, line)
		}
	}
	rows(w, "No registry was asked yet.", heading, lines)
}

// registryLines are a line for each login of a registry.
func (a *app) registryLines(r fairlead.GatewayRegistry) [][]string {
	latency := ""
	if r.Requests > 0 {
		latency = fmt.Sprintf("%.0f ms", 1000*r.Latency)
	}
	first := []string{r.Host, fmt.Sprintf("%.0f %%", 100*r.HitRate()), byteCount(r.Fetched), byteCount(r.Sent), latency}
	if len(r.Limits) == 0 {
		return [][]string{append(first, "", "", "")}
	}
	var lines [][]string
	for _, l := range r.Limits {
		login := string(l.Connector)
		if l.Organization != "" {
			login = strings.TrimSuffix(string(l.Organization)+"/"+login, "/")
		}
		left := ""
		if l.Known {
			left = fmt.Sprintf("%d of %d", l.Remaining, l.Limit)
		}
		lines = append(lines, append(append([]string{}, first...), login, left, a.loginState(l)))
	}
	return lines
}

func (a *app) loginState(l fairlead.GatewayLimit) string {
	switch {
	case !l.RetryAt.IsZero():
		return "left alone until " + l.RetryAt.UTC().Format("15:04:05 MST")
	case l.Spared:
		return "few pulls left: tags aren't fetched anew"
	case !l.Failed.IsZero():
		return "didn't answer " + a.ago(l.Failed)
	default:
		return "ok"
	}
}

func (a *app) gatewayUsage() *cobra.Command {
	var data string
	c := &cobra.Command{
		Use: "usage", Short: "List the images that the gateway keeps, with size and last use", Args: cobra.NoArgs,
		Long: `List the images that the gateway keeps for the organization, the last used first. What
images share counts for each of them, and once in the sum. With --data, on the server's
machine: for all organizations.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			u, err := either(cmd.Context(), a, data, wire.OperateUsage, wire.ListCached, same)
			if err != nil {
				return err
			}
			return a.show(u, func(w io.Writer) { a.printUsage(w, u, data != "") })
		},
	}
	addData(c, &data)
	return c
}

func (a *app) printUsage(w io.Writer, u fairlead.GatewayUsage, all bool) {
	heading := []string{"REGISTRY", "REPOSITORY", "IMAGE", "PLATFORMS", "SIZE", "LAST USED", "PINNED"}
	if all {
		heading = append([]string{"ORGANIZATION"}, heading...)
	}
	var lines [][]string
	for _, i := range u.Images {
		pinned := ""
		if i.Pinned {
			pinned = "pinned"
		}
		line := []string{i.Registry, i.Repository, shortReference(i), strings.Join(i.Platforms, ", "), byteCount(i.Size), a.ago(i.Used), pinned}
		if all {
			line = append([]string{string(i.Organization)}, line...)
		}
		lines = append(lines, line)
	}
	rows(w, "Nothing is kept yet. Fetch an image: fairlead gateway prefetch IMAGE", heading, lines)
	if u.Bytes > 0 {
		rest := ""
		if u.Unnamed > 0 {
			rest = ", " + byteCount(u.Unnamed) + " of them of no image that is known any more"
		}
		_, _ = fmt.Fprintf(w, "%s are kept%s.\n", byteCount(u.Bytes), rest)
	}
}

func shortReference(i fairlead.CachedImage) string {
	if i.Reference == string(i.Digest) {
		return "@" + short(i.Digest)
	}
	return i.Reference
}
