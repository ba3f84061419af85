package awsecr

import (
	"net/url"
	"regexp"
	"strings"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/pattern"
)

var (
	arnForm = regexp.MustCompile(`^arn:(aws(?:-[a-z]+)*):ecr:([a-z0-9-]*):([0-9]*):repository/(.*)$`)
	// consoleForm is the path of a repository's page in the console.
	consoleForm = regexp.MustCompile(`^/ecr/repositories/private/([0-9]{12})/(.+)$`)
	// almostForm is a host that is meant to be of ECR.
	almostForm = regexp.MustCompile(`^([^./]*)\.dkr[.-]ecr`)
	// apiForm is the host of ECR's API.
	apiForm = regexp.MustCompile(`^(?:api\.ecr|ecr)(?:-fips)?\.([a-z0-9-]+)\.(?:amazonaws\.com|api\.aws)`)
)

const rightForm = "write ACCOUNT.dkr.ecr.REGION.amazonaws.com/REPOSITORY, or /* in place of the repository for all of them"

// Read gives the pattern that a pasted address stands for: a repository's URI, its ARN,
// its page in the console or in the public gallery.
func (Provider) Read(pasted string) (string, []string, bool, error) {
	s := strings.TrimSpace(pasted)
	if m := arnForm.FindStringSubmatch(s); m != nil {
		return readARN(m)
	}
	if strings.HasPrefix(s, "arn:") {
		return "", nil, false, nil
	}
	s = strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(s, "docker pull "), "https://"), "http://")
	host, path, _ := strings.Cut(s, "/")
	host = strings.ToLower(host)
	if p, ok := consolePartition(host); ok {
		return readConsole(p, s)
	}
	if host == "gallery.ecr.aws" {
		path, _, _ = strings.Cut(path, "?")
		return patternOf(publicHost, path)
	}
	if at, ok := parseHost(host); ok {
		if why := at.sound(); why != "" {
			return "", nil, true, unreadable(host+" can't be: "+why, "copy the URI from the repository's page in the console")
		}
		return patternOf(host, path)
	}
	if m := almostForm.FindStringSubmatch(host); m != nil && strings.Contains(host, "amazonaws") {
		why := host + " is almost a host of ECR"
		if len(m[1]) != 12 || strings.Trim(m[1], "0123456789") != "" {
			why += ": what stands before .dkr is not an account, which has twelve digits"
		}
		// A host that goes on after the domain is somebody else's.
		if strings.HasSuffix(host, ".amazonaws.com") || strings.HasSuffix(host, ".amazonaws.com.cn") || strings.HasSuffix(host, ".amazonaws.eu") {
			return "", nil, true, unreadable(why, rightForm)
		}
		return "", nil, false, nil
	}
	if m := apiForm.FindStringSubmatch(host); m != nil {
		return "", nil, true, unreadable(host+" is the address of ECR's API and not of a registry", "write ACCOUNT.dkr.ecr."+m[1]+".amazonaws.com/*")
	}
	return "", nil, false, nil
}

func unreadable(why, remedy string) error {
	return &fairlead.Error{Kind: fairlead.Invalid, Field: "pattern", What: "reading address of a registry", Why: why, Remedy: remedy}
}

func readARN(m []string) (string, []string, bool, error) {
	home, known := partitionNamed(m[1])
	switch {
	case !known || !regionForm.MatchString(m[2]) || partitionOf(m[2]).id != home.id:
		return "", nil, true, unreadable("the ARN's partition and region don't go together", rightForm)
	case len(m[3]) != 12:
		return "", nil, true, unreadable("the ARN has no account, which has twelve digits", rightForm)
	}
	return patternOf(registry(m[3], m[2]), m[4])
}

// patternOf makes a pattern of a host and whatever stands after it.
func patternOf(host, path string) (string, []string, bool, error) {
	path = strings.TrimRight(path, "/")
	path, _, _ = strings.Cut(path, "?")
	var notes []string
	if name, digest, ok := strings.Cut(path, "@"); ok {
		path = name
		notes = append(notes, "The digest "+fairlead.Clip(digest)+" was left out: a pattern is for the whole repository.")
	}
	if path == "" {
		path = "*"
	}
	p, err := pattern.Parse(host + "/" + path)
	if err != nil {
		e := fairlead.Misread("pattern", err)
		return "", nil, true, unreadable(e.Why, rightForm)
	}
	if host == publicHost || host == publicHost6 {
		notes = append(notes, "Everybody may pull from ECR Public; a login only raises the rate limit, or allows to push.")
	}
	return p.String(), notes, true, nil
}

// consolePartition knows the hosts of the console: with a region in front, or without.
func consolePartition(host string) (partition, bool) {
	for _, p := range partitions() {
		for _, domain := range []string{"console." + p.console, p.console} {
			rest, ok := strings.CutSuffix(host, domain)
			if ok && (rest == "" && strings.HasPrefix(domain, "console.") || rest != "" && regionForm.MatchString(strings.TrimSuffix(strings.TrimSuffix(rest, "."), ".console"))) {
				return p, true
			}
		}
	}
	return partition{}, false
}

// readConsole reads the address of a repository's page in the console.
func readConsole(p partition, s string) (string, []string, bool, error) {
	u, _ := url.Parse("https://" + s)
	if u == nil || !strings.HasPrefix(u.Path, "/ecr") {
		return "", nil, false, nil
	}
	m := consoleForm.FindStringSubmatch(u.Path)
	region := u.Query().Get("region")
	if label, _, _ := strings.Cut(u.Host, "."); region == "" && regionForm.MatchString(label) {
		region = label
	}
	if m == nil || !regionForm.MatchString(region) || partitionOf(region).id != p.id {
		return "", nil, true, unreadable("this page of the console doesn't say which account's registry is meant",
			"open the repository there and copy its URI; it looks like ACCOUNT.dkr.ecr.REGION.amazonaws.com/REPOSITORY")
	}
	name := strings.TrimSuffix(strings.TrimRight(m[2], "/"), "/_/details")
	if at := strings.Index(name, "/_/"); at >= 0 {
		name = name[:at]
	}
	return patternOf(registry(m[1], region), name)
}
