package docker

import (
	"strings"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/ref"
)

// whyOf says in a sentence what the engine says in the words of the libraries that it is
// made of, a URL and a chain of errors. What has no sentence is given as it came.
func whyOf(image ref.Image, code fairlead.Code, err error) string {
	host, s := image.Host, saidOf(err)
	switch code {
	case fairlead.CodeLoginRefused:
		return host + " doesn't accept the login from the engine"
	case fairlead.CodeNoRight:
		return host + " gives no right to pull " + image.Repository
	case fairlead.CodeRateLimited:
		return host + " has had too many requests"
	case fairlead.CodePlatform:
		return "there is no image for the engine's platform in it"
	case fairlead.CodeNoImage:
		if s.any("blob") {
			return "the repository " + image.Repository + " doesn't have all that the image is made of"
		}
		return "the repository " + image.Repository + " has no manifest " + image.Digest
	case fairlead.CodeDigest:
		if s.any("verification failed") {
			return host + " sent other bytes than the image's digests name"
		}
		return "the image's layers aren't those that its config names"
	case fairlead.CodeTLS:
		return whyNoTrust(host, s)
	case fairlead.CodeDNS:
		return "the engine found no address for " + host
	case fairlead.CodeTimeout:
		return host + " gave the engine no answer in time"
	case fairlead.CodeConnect:
		return "the engine got no connection to " + host + ", or it was cut"
	default:
		return firstLine(strings.TrimPrefix(err.Error(), "Error response from daemon: "))
	}
}

func whyNoTrust(host string, s said) string {
	switch {
	case s.any("server gave http response to https client"):
		return "the engine asks for TLS, and " + host + " speaks HTTP without it"
	case s.any("certificate has expired"):
		return "the certificate that " + host + " shows has expired, or isn't valid yet"
	case s.any("certificate is valid for", "cannot validate certificate"):
		return "the certificate that " + host + " shows is for another name"
	case s.any("unknown authority"):
		return "the engine doesn't trust the authority that signed the certificate of " + host
	default:
		return "the TLS handshake of the engine with " + host + " came to nothing"
	}
}
