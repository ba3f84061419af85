package oci

import (
	"encoding/binary"
	"net/netip"
)

// space is where an address lives, as far as an outgoing connection cares.
type space int

const (
	public space = iota
	// private: RFC 1918, RFC 4193, RFC 6598, where registries on the premises live.
	private
	// refused: the machine itself, its own link, groups, and metadata services.
	refused
)

// place says in which space an address lives, and what it is called there. An IPv6
// address that carries an IPv4 address is what it carries.
func place(a netip.Addr) (space, string) {
	a = a.Unmap().WithZone("")
	worst, name := placeBare(a)
	for _, inner := range embedded(a) {
		if inAny(inner, "0.0.0.0/8") && inAny(a, "64:ff9b:1::/48") {
			continue // the zeros of another prefix length
		}
		if s, n := placeBare(inner); s > worst {
			worst, name = s, n+" inside of an IPv6 address"
		}
	}
	return worst, name
}

func placeBare(a netip.Addr) (space, string) {
	switch {
	case isMetadata(a):
		return refused, "a metadata service's address"
	case a.IsUnspecified(), inAny(a, "0.0.0.0/8"):
		return refused, "the unspecified address"
	case a.IsLoopback():
		return refused, "a loopback address"
	case a.IsLinkLocalUnicast():
		return refused, "a link-local address"
	case a.IsMulticast():
		return refused, "a multicast address"
	case inAny(a, "192.0.0.0/24", "240.0.0.0/4", "100::/64"):
		return refused, "a reserved address"
	case a.IsPrivate(), inAny(a, "100.64.0.0/10", "198.18.0.0/15", "fec0::/10"):
		return private, "a private address"
	default:
		return public, "a public address"
	}
}

// isMetadata knows the addresses at which clouds hand out their machines' credentials.
// Some lie in space that is otherwise private or even public.
func isMetadata(a netip.Addr) bool {
	return inAny(a,
		"169.254.169.254/32", // AWS, Google, Azure, Oracle, OpenStack and others
		"169.254.170.2/32",   // AWS ECS
		"169.254.170.23/32",  // AWS EKS pod identity
		"fd00:ec2::254/128",  // AWS
		"fd00:ec2::23/128",   // AWS EKS pod identity
		"fd20:ce::254/128",   // Google
		"fe80::a9fe:a9fe/128",
		"100.100.100.200/32", // Alibaba
		"168.63.129.16/32",   // Azure's wire server
		"192.0.0.192/32",     // Oracle, classic
	)
}

// embedded lists the IPv4 addresses that an IPv6 address carries: what a translator or
// tunnel on the way would connect to.
func embedded(a netip.Addr) []netip.Addr {
	if !a.Is6() {
		return nil
	}
	b := a.As16()
	v4 := func(at int) netip.Addr { return netip.AddrFrom4([4]byte(b[at : at+4])) }
	switch {
	case inAny(a, "64:ff9b::/96"): // NAT64 (RFC 6052)
		return []netip.Addr{v4(12)}
	case inAny(a, "64:ff9b:1::/48"): // NAT64 for local use (RFC 8215): /48, /56, /64, /96
		return []netip.Addr{
			netip.AddrFrom4([4]byte{b[6], b[7], b[9], b[10]}),
			netip.AddrFrom4([4]byte{b[7], b[9], b[10], b[11]}),
			v4(9),
			v4(12),
		}
	case inAny(a, "2002::/16"): // 6to4 (RFC 3056)
		return []netip.Addr{v4(2)}
	case inAny(a, "2001::/32"): // Teredo (RFC 4380): server, and client with its bits flipped
		var client [4]byte
		binary.BigEndian.PutUint32(client[:], ^binary.BigEndian.Uint32(b[12:]))
		return []netip.Addr{v4(4), netip.AddrFrom4(client)}
	case inAny(a, "::/96", "::ffff:0:0:0/96"): // IPv4-compatible (RFC 4291), SIIT (RFC 2765)
		return []netip.Addr{v4(12)}
	case b[8]&^0x02 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe: // ISATAP (RFC 5214)
		return []netip.Addr{v4(12)}
	default:
		return nil
	}
}

func inAny(a netip.Addr, prefixes ...string) bool {
	for _, p := range prefixes {
		if netip.MustParsePrefix(p).Contains(a) {
			return true
		}
	}
	return false
}
