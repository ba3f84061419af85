package azurecontainerregistry

import (
	"net/url"
	"regexp"
	"strings"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/pattern"
	"fairlead.dev/fairlead/ref"
)

const reading = "reading registry address"

// rightForm is shown with what can't be read.
const rightForm = "write NAME.azurecr.io/*, or NAME.azurecr.io/REPOSITORY for one repository"

// Read reads an address as people paste it: a login server or an image with or without
// https://, a page of the portal, a resource ID.
func (Provider) Read(pasted string) (string, []string, bool, error) {
	if p, notes, ok, err := readResource(pasted); ok {
		return p, notes, true, err
	}
	clean, _ := ref.Unpaste(pasted)
	address, rest, _ := strings.Cut(clean, "/")
	if isPortal(address) {
		return "", nil, true, invalid("pattern", reading, "this page of the portal isn't a registry's", "open the registry there and copy its login server: "+rightForm)
	}
	address = address[strings.LastIndexByte(address, '@')+1:] // a login, which isn't shown
	address = strings.TrimSuffix(strings.ToLower(address), ":443")
	if !isOurs(address) {
		return "", nil, false, nil
	}
	h, ok := parseHost(strings.ReplaceAll(address, "*", "x"))
	if !ok {
		return "", nil, true, invalid("pattern", reading, quoted(address)+" is not the host of a registry of Azure", rightForm)
	}
	if err := usable(h, reading, "pattern"); err != nil {
		return "", nil, true, err
	}
	if !strings.Contains(address, "*") && len(h.name) < 5 {
		return "", nil, true, invalid("pattern", reading, quoted(h.name)+" can't be a registry's name, which has 5 to 50 letters and digits", rightForm)
	}
	p, notes, err := patternOf(address, rest)
	if err != nil {
		return "", nil, true, err
	}
	if h.kind == geoHost {
		notes = append(notes, "this covers images that are named by the regional endpoint; those that are named "+h.server+" need an entry of their own")
	}
	return p, notes, true, nil
}

// isPortal reports whether a host is of the portal.
func isPortal(address string) bool {
	address = strings.ToLower(address)
	for _, c := range clouds() {
		if c.portal != "" && (address == c.portal || strings.HasSuffix(address, "."+c.portal)) {
			return true
		}
	}
	return false
}

// isOurs reports whether a host ends as a registry's does, well-formed or not.
func isOurs(address string) bool {
	suffixes := []string{closedSuffix}
	for _, c := range clouds() {
		suffixes = append(suffixes, c.suffix)
	}
	for _, s := range suffixes {
		if address == s || strings.HasSuffix(address, "."+s) {
			return true
		}
	}
	return false
}

// patternOf makes a match pattern of a host and what came after it.
func patternOf(address, rest string) (string, []string, error) {
	var notes []string
	rest = strings.TrimPrefix(strings.TrimPrefix(rest, "v2/"), "/")
	if before, _, ok := strings.Cut(rest, "@"); ok {
		rest = before
		notes = append(notes, "the digest is left out: an entry is for a repository")
	}
	switch {
	case rest == "" || rest == "v2" || rest == "*":
		rest = "*"
	case strings.HasSuffix(rest, "/"):
		rest += "*"
	}
	p, err := pattern.Parse(address + "/" + rest)
	if err != nil {
		if e := fairlead.Misread("pattern", err); e != nil {
			e.Remedy = rightForm
			return "", nil, e
		}
		return "", nil, err
	}
	return p.String(), notes, nil
}

// readResource reads a resource ID, by itself or in a page of the portal.
func readResource(pasted string) (string, []string, bool, error) {
	text := strings.TrimSpace(pasted)
	for range 2 { // some pages of the portal have it escaped
		if plain, err := url.PathUnescape(text); err == nil {
			text = plain
		}
	}
	m := regexp.MustCompile(`(?i)/providers/Microsoft\.ContainerRegistry/registries/([^/?#\s]*)(.*)$`).FindStringSubmatch(text)
	if m == nil {
		return "", nil, false, nil
	}
	at := clouds()[0]
	if u, err := url.Parse(strings.TrimSpace(pasted)); err == nil && u.Host != "" {
		at = cloud{}
		for _, c := range clouds() {
			if u.Host == c.portal || u.Host == c.manager || strings.HasSuffix(u.Host, "."+c.portal) {
				at = c
			}
		}
		if at.name == "" {
			return "", nil, false, nil
		}
	}
	name := strings.ToLower(m[1])
	if !regexp.MustCompile(`^[a-z0-9]{5,50}$`).MatchString(name) {
		return "", nil, true, invalid("pattern", reading, quoted(m[1])+" can't be a registry's name, which has 5 to 50 letters and digits", rightForm)
	}
	rest := ""
	if r := regexp.MustCompile(`(?i)/repositor(?:y|ies)/([a-z0-9][a-z0-9._/-]*)`).FindStringSubmatch(m[2]); r != nil {
		rest = strings.TrimSuffix(r[1], "/")
	}
	p, notes, err := patternOf(name+"."+at.suffix, rest)
	if err != nil {
		return "", nil, true, err
	}
	return p, append(notes, "a registry with a domain name label has another login server: compare with `az acr show --name "+name+" --query loginServer -o tsv`"), true, nil
}
