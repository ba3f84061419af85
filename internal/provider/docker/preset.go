package docker

import (
	"maps"
	"slices"
	"strings"

	"fairlead.dev/fairlead"
)

// The presets: registries of this family of which something is peculiar.
const (
	ghcr         = "ghcr"
	gitlab       = "gitlab"
	quay         = "quay"
	harbor       = "harbor"
	ngc          = "ngc"
	digitalOcean = "digitalocean"
)

func presets() []string { return []string{ghcr, gitlab, quay, harbor, ngc, digitalOcean} }

// presetHosts are the hosts that can only be of one preset.
func presetHosts() map[string]string {
	return map[string]string{
		"ghcr.io": ghcr, "registry.gitlab.com": gitlab, "quay.io": quay, "nvcr.io": ngc, "registry.digitalocean.com": digitalOcean,
	}
}

// robotPrefix is what names of Harbor's robots begin with, unless the administrator has
// changed it (goharbor.io/docs, "Create Robot Accounts").
const robotPrefix = "robot$"

// presetOf gives the preset that was chosen, or that the hosts or the user name are of;
// empty if none.
func presetOf(public map[string]string) string {
	if chosen := public[fieldPreset]; chosen != "" {
		return chosen
	}
	for h := range strings.SplitSeq(public[hosts], ",") {
		if found := presetHosts()[strings.TrimSpace(h)]; found != "" {
			return found
		}
	}
	if strings.HasPrefix(public[fieldUsername], robotPrefix) {
		return harbor
	}
	return ""
}

// usernameOf gives the user name, filled in where a preset knows it.
func usernameOf(public map[string]string) string {
	if name := public[fieldUsername]; name != "" {
		return name
	}
	switch presetOf(public) {
	case ngc: // docs.nvidia.com/ngc, "Logging in to the NGC container registry": this, literally
		return ngcUser
	case ghcr, digitalOcean: // any name that isn't empty
		return "fairlead"
	default:
		return ""
	}
}

const ngcUser = "$oauthtoken"

// checkPreset finds what is wrong by what is peculiar about a registry.
func checkPreset(method string, public map[string]string) error {
	chosen := presetOf(public)
	for h := range strings.SplitSeq(public[hosts], ",") {
		h = strings.TrimSpace(h)
		if of := presetHosts()[h]; of != "" && of != chosen {
			return wrong(fieldPreset, h+" is "+title(of)+", and the connector is for "+title(chosen),
				"make a connector for each: a login for one isn't shown to the other")
		}
	}
	if chosen == ghcr && method == bearer {
		return wrong("method", "GHCR's token endpoint takes a GitHub token as a password, and none as a bearer or an identity token",
			"use method basic with the token as the password")
	}
	if method != basic {
		return nil
	}
	name := usernameOf(public)
	if name == "" {
		return &fairlead.Error{
			Kind: fairlead.Invalid, Field: fieldUsername, What: "checking the fields of method basic", Why: "username is missing", Remedy: "give --username",
		}
	}
	if strings.ContainsAny(name, ":") {
		return wrong(fieldUsername, "a user name with a colon can't be sent to a registry", "write it as the registry shows it")
	}
	return checkName(chosen, name)
}

// checkName checks a user name's form: those with $ and + are easily lost on the way,
// in a shell, in Compose or in a form.
func checkName(chosen, name string) error {
	switch chosen {
	case digitalOcean:
		if strings.HasPrefix(name, "dop_v1_") || strings.HasPrefix(name, "doo_v1_") {
			return wrong(fieldUsername, "it is a token, and user names are shown", "leave the user name out, it is filled in, and give the token as the password")
		}
	case ngc:
		if name != ngcUser {
			return wrong(fieldUsername, "NGC knows one user name, "+ngcUser+", literally", "leave the user name out, it is filled in")
		}
	case harbor:
		rest, robot := strings.CutPrefix(name, robotPrefix)
		switch {
		case name == "robot" || strings.HasPrefix(name, "robot+"):
			return wrong(fieldUsername, "a robot's name has a $ and what follows it, and here both are gone, as a shell takes them out",
				"put the name in single quotes: 'robot$project+name'")
		case strings.HasPrefix(rest, "$"):
			return wrong(fieldUsername, "the robot's name has two $, as Compose files write one", "write one $: robot$project+name")
		case robot && rest == "" || robot && strings.HasSuffix(rest, "+"):
			return wrong(fieldUsername, "the robot's name ends too early", "write it as Harbor shows it: robot$project+name, or robot$name for one of the system")
		}
	case quay:
		namespace, robot, plus := strings.Cut(name, "+")
		switch {
		case strings.Contains(name, " "):
			return wrong(fieldUsername, "there is a blank where a robot's name has a +, as a form makes of it", "write it with +: acme+robot")
		case plus && (namespace == "" || robot == "" || strings.Contains(robot, "+")):
			return wrong(fieldUsername, "a robot's name is a namespace, + and a name", "write it as Quay shows it: acme+robot")
		case strings.HasPrefix(name, "$") && !slices.Contains([]string{"$oauthtoken", "$app", "$token"}, name):
			return wrong(fieldUsername, "Quay knows no such user name", "write a robot's, as acme+robot, or $oauthtoken for an OAuth token")
		}
	case gitlab:
		if name == "gitlab-ci-token" {
			return wrong(fieldUsername, "it is the user name of a CI job's token, which ends with its job", "make a deploy token with read_registry and use its user name")
		}
		if rest, ok := strings.CutPrefix(name, "gitlab deploy-token-"); ok {
			return wrong(fieldUsername, "there is a blank where a deploy token's name has a +, as a form makes of it", "write gitlab+deploy-token-"+fairlead.Clip(rest))
		}
	}
	return nil
}

func wrong(field, why, remedy string) error {
	return &fairlead.Error{Kind: fairlead.Invalid, Field: field, What: "reading " + strings.ReplaceAll(field, "_", " "), Why: why, Remedy: remedy}
}

// title is a preset's name, for people.
func title(preset string) string {
	if t := map[string]string{
		ghcr: "GitHub's container registry", gitlab: "GitLab", quay: "Quay", harbor: "Harbor", ngc: "NVIDIA's NGC", digitalOcean: "DigitalOcean",
	}[preset]; t != "" {
		return t
	}
	return "another registry"
}

// presetField lets people choose where the host doesn't tell.
func presetField() fairlead.Field {
	return fairlead.Field{
		Name: fieldPreset, Title: "Preset", Kind: fairlead.ChoiceField, Choices: presets(),
		Help: "Which registry it is, so that what is peculiar about it can be checked. It is recognised from " +
			strings.Join(slices.Sorted(maps.Keys(presetHosts())), ", ") + "; name it for your own GitLab, Quay or Harbor.",
	}
}
