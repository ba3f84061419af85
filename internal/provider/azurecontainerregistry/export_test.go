package azurecontainerregistry

import "time"

// Impatient looks again at once whether a registry is there.
func (p Provider) Impatient() Provider {
	p.poll = time.Nanosecond
	return p
}

// KindOfHost is what a host is, "" if it isn't of the family.
func KindOfHost(s string) string {
	h, _ := parseHost(s)
	return string(h.kind)
}
