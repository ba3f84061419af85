package registrytest

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"net"
	"net/netip"
	"strings"
	"testing"
)

// Resolver asks a name server of its own (RFC 1035), which knows the names that lookup
// knows. No address is "no such name"; an invalid address is a server that fails.
func Resolver(tb testing.TB, lookup func(name string) []netip.Addr) *net.Resolver {
	tb.Helper()
	server := nameServer(tb, "127.0.0.1:0", lookup)
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", server)
	}}
}

// NameServer is a name server for other processes, at a loopback address of its own and
// the port that they ask (53). It gives the address, as resolv.conf(5) has it.
func NameServer(tb testing.TB, lookup func(name string) []netip.Addr) string {
	tb.Helper()
	var host [3]byte
	_, _ = rand.Read(host[:])
	address := net.IPv4(127, host[0]|1, host[1], host[2]|1).String()
	nameServer(tb, net.JoinHostPort(address, "53"), lookup)
	return address
}

func nameServer(tb testing.TB, address string, lookup func(name string) []netip.Addr) string {
	tb.Helper()
	server, err := (&net.ListenConfig{}).ListenPacket(tb.Context(), "udp", address)
	if err != nil {
		tb.Fatal(err)
	}
	done := make(chan struct{})
	tb.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	go func() {
		defer close(done)
		buffer := make([]byte, 4096)
		for {
			n, from, err := server.ReadFrom(buffer)
			if err != nil {
				return
			}
			if reply := dnsReply(buffer[:n], lookup); reply != nil {
				_, _ = server.WriteTo(reply, from)
			}
		}
	}()
	return server.LocalAddr().String()
}

// Names is a lookup of fixed names.
func Names(names map[string]string) func(string) []netip.Addr {
	return func(name string) []netip.Addr {
		var list []netip.Addr
		for s := range strings.FieldsSeq(names[name]) {
			list = append(list, netip.MustParseAddr(s))
		}
		return list
	}
}

const (
	dnsHeader   = 12
	dnsA        = 1
	dnsAAAA     = 28
	dnsServFail = 2
	dnsNXDomain = 3
)

func dnsReply(query []byte, lookup func(string) []netip.Addr) []byte {
	var labels []string
	at := dnsHeader
	for at < len(query) && query[at] != 0 {
		end := at + 1 + int(query[at])
		if end >= len(query) {
			return nil
		}
		labels = append(labels, string(query[at+1:end]))
		at = end
	}
	if at+5 > len(query) {
		return nil
	}
	kind := binary.BigEndian.Uint16(query[at+1:])
	question := query[dnsHeader : at+5]

	code, answers, count := uint16(0), []byte(nil), uint16(0)
	list := lookup(strings.ToLower(strings.Join(labels, ".")))
	if len(list) == 0 {
		code = dnsNXDomain
	}
	for _, a := range list {
		switch {
		case !a.IsValid():
			code = dnsServFail
		case a.Is4() == (kind == dnsA) && (kind == dnsA || kind == dnsAAAA):
			count++
			raw := a.AsSlice()
			answers = append(answers, 0xC0, dnsHeader)             // the question's name
			answers = binary.BigEndian.AppendUint16(answers, kind) // type
			answers = binary.BigEndian.AppendUint16(answers, 1)    // class IN
			answers = binary.BigEndian.AppendUint32(answers, 0)    // time to live
			answers = binary.BigEndian.AppendUint16(answers, uint16(len(raw)))
			answers = append(answers, raw...)
		}
	}
	reply := append([]byte(nil), query[:2]...)
	reply = binary.BigEndian.AppendUint16(reply, 0x8180|code) // a reply, recursion wanted and had
	reply = binary.BigEndian.AppendUint16(reply, 1)
	reply = binary.BigEndian.AppendUint16(reply, count)
	reply = append(reply, 0, 0, 0, 0)
	reply = append(reply, question...)
	return append(reply, answers...)
}
