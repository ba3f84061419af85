package oci

import (
	"slices"
	"strconv"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Platform is what an image is made for (OCI Image Specification, "Image Index"; the
// values are Go's GOOS and GOARCH).
type Platform struct {
	OS           string `json:"os"`
	Architecture string `json:"architecture"`
	Variant      string `json:"variant,omitempty"`
}

// ParsePlatform reads what [Platform.String] writes.
func ParsePlatform(s string) Platform {
	var p Platform
	p.OS, s, _ = strings.Cut(s, "/")
	p.Architecture, p.Variant, _ = strings.Cut(s, "/")
	return p
}

// String is os/architecture or os/architecture/variant.
func (p Platform) String() string {
	s := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		s += "/" + p.Variant
	}
	return s
}

// Same reports whether both are spellings of one platform.
func (p Platform) Same(q Platform) bool { return p.normal() == q.normal() }

// normal gives the spelling that platforms are compared in (containerd, package
// platforms): other names of an architecture, and the variant that is meant by none.
func (p Platform) normal() Platform {
	p.OS, p.Architecture, p.Variant = strings.ToLower(p.OS), strings.ToLower(p.Architecture), strings.ToLower(p.Variant)
	if n := p.Variant; n != "" && n[0] >= '0' && n[0] <= '9' {
		p.Variant = "v" + n
	}
	if p.OS == "macos" {
		p.OS = "darwin"
	}
	switch p.Architecture {
	case "i386", "i486", "i586", "i686", "x86":
		p.Architecture, p.Variant = "386", ""
	case "x86_64", "x86-64":
		p.Architecture = "amd64"
	case "aarch64", "armv8l":
		p.Architecture = "arm64"
	case "armhf":
		p.Architecture, p.Variant = "arm", "v7"
	case "armel":
		p.Architecture, p.Variant = "arm", "v6"
	}
	switch p.Architecture + "/" + p.Variant {
	case "amd64/v1", "arm64/v8":
		p.Variant = ""
	case "arm/":
		p.Variant = "v7"
	}
	return p
}

// runs lists the platforms that p can run, best first: itself, the lower variants of
// its architecture, and the 32-bit architecture that it contains. It is containerd's
// order, so that the same image is taken here and there.
func (p Platform) runs() []Platform {
	p = p.normal()
	list := []Platform{p}
	add := func(arch, variant string) { list = append(list, Platform{p.OS, arch, variant}) }
	level, _ := strconv.Atoi(strings.TrimPrefix(p.Variant, "v"))
	switch p.Architecture {
	case "amd64":
		for n := level - 1; n >= 2; n-- {
			add("amd64", "v"+strconv.Itoa(n))
		}
		if level > 1 {
			add("amd64", "")
		}
		add("386", "")
	case "arm64":
		if p.Variant != "" {
			add("arm64", "")
		}
		for n := 8; n >= 5; n-- {
			add("arm", "v"+strconv.Itoa(n))
		}
	case "arm":
		for n := min(level, 8) - 1; n >= 5; n-- {
			add("arm", "v"+strconv.Itoa(n))
		}
	}
	return list
}

// rank says how good an image for other is on p: 0 is best, -1 is not at all.
func (p Platform) rank(other Platform) int {
	return slices.Index(p.runs(), other.normal())
}

// isArtifact knows what is stored like an image and isn't one. A descriptor may have the
// type of its manifest's config there, so that of an image is none.
func isArtifact(d ocispec.Descriptor) bool {
	return d.ArtifactType != "" && !isConfigType(d.ArtifactType)
}

func isConfigType(t string) bool { return t == ocispec.MediaTypeImageConfig || t == dockerConfig }

// isAttestation knows what BuildKit puts into an index beside the images.
func isAttestation(d ocispec.Descriptor) bool {
	if d.Annotations["vnd.docker.reference.type"] != "" {
		return true
	}
	return d.Platform != nil && d.Platform.OS == "unknown" && d.Platform.Architecture == "unknown"
}
