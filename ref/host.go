package ref

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// The longest that a host and a label of it may be (RFC 1035, 2.3.4, without the
// root's dot).
const (
	maxHost  = 253
	maxLabel = 63
)

// CanonicalHost gives the one spelling of a registry's host with its port, if any: in
// lower case, IPv6 as in RFC 5952, Docker Hub's other names as docker.io. The error is
// an [*Error].
func CanonicalHost(s string) (string, error) {
	host, e := canonicalHost(s)
	return host, e.as("parsing host", s)
}

// isHost reports whether the first part of a name is meant as a host.
func isHost(s string) bool {
	return strings.ContainsAny(s, ".:[") || strings.EqualFold(s, "localhost")
}

func canonicalHost(s string) (string, *Error) {
	if !isHost(s) {
		return "", refuse("a host has a dot or a port, or is localhost", "write the host in full, as in reg.io")
	}
	name, port, e := cutPort(s)
	if e != nil {
		return "", e
	}
	switch {
	case name == "":
		return "", refuse("the host before the colon is empty", "write the host, as in localhost:5000")
	case name[0] == '[':
		name, e = canonicalIPv6(name)
	default:
		name, e = canonicalDomain(name)
	}
	if e != nil {
		return "", e
	}
	if port != "" {
		return name + ":" + port, nil
	}
	switch name {
	case "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com":
		return dockerHub, nil
	case "hub.docker.com":
		return "", refuse("hub.docker.com is the web site of Docker Hub, its registry is docker.io", "write docker.io, then namespace and name")
	}
	return name, nil
}

// cutPort gives a host without its port, and the port, if there is one.
func cutPort(s string) (name, port string, e *Error) {
	end := 0 // where the name may end, at the earliest
	if strings.HasPrefix(s, "[") {
		end = strings.IndexByte(s, ']') + 1
	}
	rest := s[end:]
	colon := strings.IndexByte(rest, ':')
	if colon < 0 {
		return s, "", nil
	}
	name, port = s[:end+colon], rest[colon+1:]
	if strings.Contains(port, ":") {
		return "", "", refuse("there is more than one colon in the host", "write an IPv6 address in brackets, as in [::1]:5000")
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil || port[0] == '0' {
		return "", "", refuse("what follows the host's colon isn't a port", "write a number from 1 to 65535, without leading zeros")
	}
	return name, port, nil
}

// canonicalIPv6 takes an address in brackets. What isn't plain IPv6 has another
// spelling (a mapped IPv4 address) or no meaning on another machine (a zone).
func canonicalIPv6(s string) (string, *Error) {
	address, closed := strings.CutSuffix(s[1:], "]")
	ip, err := netip.ParseAddr(address)
	switch {
	case !closed || err != nil || !ip.Is6() || ip.Zone() != "" || strings.Contains(address, "."):
		return "", refuse("what stands in brackets isn't an IPv6 address", "write it as in [2001:db8::1]:5000")
	case ip.Is4In6():
		return "", refuse("what stands in brackets is an IPv4 address", "write the IPv4 address, "+ip.Unmap().String())
	}
	return "[" + ip.String() + "]", nil
}

func canonicalDomain(s string) (string, *Error) {
	for _, r := range s {
		if !isWord(r) && r != '-' && r != '.' || r == '_' {
			return "", refuse(character(r)+" can't be part of a host", "use letters, digits and dashes, with dots between")
		}
	}
	if len(s) > maxHost {
		return "", refuse(fmt.Sprintf("a host has at most %d characters, this one has %d", maxHost, len(s)), "check the host")
	}
	s = strings.ToLower(s)
	for label := range strings.SplitSeq(s, ".") {
		if e := checkLabel(label); e != nil {
			return "", e
		}
	}
	if last := s[strings.LastIndexByte(s, '.')+1:]; isNumber(last) {
		if _, err := netip.ParseAddr(s); err != nil {
			return "", refuse("the host ends in a number and isn't an IPv4 address", "write an IPv4 address as in 10.0.0.1, without leading zeros")
		}
	}
	return s, nil
}

// checkLabel checks what stands between two dots of a host, the characters of which
// are known to be right.
func checkLabel(s string) *Error {
	switch {
	case s == "":
		return refuse("a dot in the host has no name before or after it", "write exactly one dot between two names, and none at the end")
	case s[0] == '-' || s[len(s)-1] == '-':
		return refuse("each part of a host begins and ends with a letter or a digit", "take off the dash at the edge")
	case len(s) > maxLabel:
		return refuse(fmt.Sprintf("a part of a host has at most %d characters, this one has %d", maxLabel, len(s)), "check the host")
	}
	return nil
}

// isNumber reports whether resolvers may take a host that ends in this label for an
// IPv4 address (WHATWG URL, "ends in a number checker").
func isNumber(label string) bool {
	if hex, ok := strings.CutPrefix(label, "0x"); ok {
		return all(hex, isHex)
	}
	return all(label, isDigit)
}
