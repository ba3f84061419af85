package azurecontainerregistry

import (
	"regexp"
	"strings"

	"fairlead.dev/fairlead"
)

// The names of the clouds.
const (
	publicCloud     = "public"
	chinaCloud      = "china"
	governmentCloud = "government"
)

// cloud is one of Azure's clouds, with the only hosts that logins are ever sent to
// beside registries (learn.microsoft.com/entra/identity-platform/authentication-national-cloud).
type cloud struct {
	name, title string
	suffix      string // of registries
	login       string // Microsoft Entra
	manager     string // Azure Resource Manager
	portal      string
	// assertion is the audience of subject tokens
	// (learn.microsoft.com/entra/workload-id/workload-identity-federation-create-trust).
	assertion string
	// cli is the name that az knows the cloud by.
	cli string
}

func clouds() []cloud {
	return []cloud{
		{
			publicCloud, "Azure", "azurecr.io", "login.microsoftonline.com", "management.azure.com", "portal.azure.com",
			"api://AzureADTokenExchange", "AzureCloud",
		},
		{
			chinaCloud, "Azure operated by 21Vianet (China)", "azurecr.cn", "login.chinacloudapi.cn", "management.chinacloudapi.cn", "portal.azure.cn",
			"api://AzureADTokenExchangeChina", "AzureChinaCloud",
		},
		{
			governmentCloud, "Azure Government", "azurecr.us", "login.microsoftonline.us", "management.usgovcloudapi.net", "portal.azure.us",
			"api://AzureADTokenExchangeUSGov", "AzureUSGovernment",
		},
	}
}

// cloudNamed gives a cloud; no name is the public one.
func cloudNamed(name string) cloud {
	for _, c := range clouds() {
		if c.name == name {
			return c
		}
	}
	return clouds()[0]
}

// closedSuffix was Microsoft Cloud Germany's.
const closedSuffix = "azurecr.de"

// hostKind is what a host of the family is.
type hostKind string

const (
	loginHost  hostKind = "login server"
	geoHost    hostKind = "regional endpoint"
	dataHost   hostKind = "data endpoint"
	closedHost hostKind = "closed cloud"
)

// host is one, taken apart.
type host struct {
	kind   hostKind
	cloud  cloud
	name   string // the registry's
	label  string // the hash of a domain name label
	server string // the login server
}

// hostForm is anchored at both ends: what merely begins or ends so is somebody else's.
// A name has no dash of its own, so the first one begins the label.
func hostForm() *regexp.Regexp {
	return regexp.MustCompile(`^([a-z0-9]{1,63})(?:-([a-z0-9]{1,63}))?(?:\.([a-z0-9]{1,63})\.(geo|data))?\.(azurecr\.(?:io|cn|us|de))$`)
}

// parseHost takes a host apart, false if it isn't of the family: name.azurecr.io,
// name-label.azurecr.io, name.region.geo.azurecr.io, name.region.data.azurecr.io and
// the same of the other clouds.
func parseHost(s string) (host, bool) {
	if len(s) > 253 {
		return host{}, false
	}
	m := hostForm().FindStringSubmatch(s)
	if m == nil {
		return host{}, false
	}
	h := host{kind: loginHost, name: m[1], label: m[2]}
	first, _, _ := strings.Cut(s, ".")
	h.server = first + "." + m[5]
	switch m[4] {
	case "geo":
		h.kind = geoHost
	case "data":
		h.kind = dataHost
	}
	if m[5] == closedSuffix {
		h.kind = closedHost
		return h, true
	}
	for _, c := range clouds() {
		if c.suffix == m[5] {
			h.cloud = c
		}
	}
	return h, true
}

// Owns is true of the hosts of registries in all clouds.
func (Provider) Owns(host string) bool {
	_, ok := parseHost(host)
	return ok
}

// Accepts takes the hosts of the connector's cloud, and with method repository-token
// those of its one registry.
func (Provider) Accepts(c fairlead.Connector, address string) error {
	const what = "checking registry host"
	h, ok := parseHost(strings.ReplaceAll(address, "*", "x"))
	if !ok {
		return invalid("pattern", what, address+" is not a registry of Azure",
			"write NAME.azurecr.io/*, or use another family for another registry")
	}
	if err := usable(h, what, "pattern"); err != nil {
		return err
	}
	if c.Method == repositoryToken {
		if own := c.Public[loginServer]; h.server != own || strings.Contains(address, "*") {
			return invalid("connector", what,
				"connector "+string(c.Name)+" holds a token of "+own+", and it isn't sent to "+address,
				"write "+own+"/*, or use another connector")
		}
		return nil
	}
	if own := cloudOf(c); h.cloud.name != own.name {
		return invalid("connector", what,
			address+" is in "+h.cloud.title+", and connector "+string(c.Name)+" is for "+own.title,
			"use a connector with --cloud "+h.cloud.name)
	}
	return nil
}

// usable refuses hosts of the family that nobody logs in to.
func usable(h host, what, field string) error {
	switch h.kind {
	case dataHost:
		return invalid(field, what, "a data endpoint only serves what a registry has redirected to", "write "+h.server)
	case closedHost:
		return invalid(field, what, "Microsoft Cloud Germany (azurecr.de) was closed on 29 October 2021", "write the host of the registry to which the images were moved")
	case loginHost, geoHost:
	}
	return nil
}
