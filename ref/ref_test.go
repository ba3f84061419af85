package ref_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead/ref"
)

var (
	hex64  = strings.Repeat("0123456789abcdef", 4)
	hex128 = hex64 + hex64
	sha256 = "sha256:" + hex64
	sha512 = "sha512:" + hex128
)

func image(host, repository, tag, digest string) ref.Image {
	return ref.Image{Resource: ref.Resource{Host: host, Repository: repository}, Tag: tag, Digest: digest}
}

func TestParse(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		in   string
		want ref.Image
	}{
		{"official", "ubuntu", image("docker.io", "library/ubuntu", "latest", "")},
		{"official with tag", "ubuntu:24.04", image("docker.io", "library/ubuntu", "24.04", "")},
		{"tag that could be a port", "ubuntu:2204", image("docker.io", "library/ubuntu", "2204", "")},
		{"namespace", "me/app", image("docker.io", "me/app", "latest", "")},
		{"namespace without a dot isn't a host", "reg/app", image("docker.io", "reg/app", "latest", "")},
		{"digest only has no tag", "ubuntu@" + sha256, image("docker.io", "library/ubuntu", "", sha256)},
		{"tag and digest are both kept", "reg.io/app:v1@" + sha512, image("reg.io", "app", "v1", sha512)},
		{"docker.io adds library", "docker.io/ubuntu", image("docker.io", "library/ubuntu", "latest", "")},
		{"index.docker.io", "index.docker.io/me/app:v1", image("docker.io", "me/app", "v1", "")},
		{"registry-1.docker.io", "registry-1.docker.io/nginx", image("docker.io", "library/nginx", "latest", "")},
		{"registry.hub.docker.com", "registry.hub.docker.com/nginx", image("docker.io", "library/nginx", "latest", "")},
		{"alias in upper case", "Index.Docker.IO/nginx", image("docker.io", "library/nginx", "latest", "")},
		{"alias with a port is another host", "docker.io:443/nginx", image("docker.io:443", "nginx", "latest", "")},
		{"other hosts have no library", "reg.io/nginx", image("reg.io", "nginx", "latest", "")},
		{"host in upper case", "REG.Io/team/app:V1", image("reg.io", "team/app", "V1", "")},
		{"default port is kept", "reg.io:443/app", image("reg.io:443", "app", "latest", "")},
		{"single label with port", "registry:5000/app", image("registry:5000", "app", "latest", "")},
		{"localhost", "localhost/app", image("localhost", "app", "latest", "")},
		{"localhost in upper case", "LOCALHOST/app", image("localhost", "app", "latest", "")},
		{"IPv4", "10.0.0.1:5000/app", image("10.0.0.1:5000", "app", "latest", "")},
		{"IPv6", "[::1]:5000/app", image("[::1]:5000", "app", "latest", "")},
		{"IPv6 without port", "[2001:DB8:0:0::1]/app:v1", image("[2001:db8::1]", "app", "v1", "")},
		{"ECR", "123456789012.dkr.ecr.eu-west-1.amazonaws.com/my-repo:v1", image("123456789012.dkr.ecr.eu-west-1.amazonaws.com", "my-repo", "v1", "")},
		{"ECR, dual stack", "123456789012.dkr-ecr.eu-west-1.on.aws/a/b", image("123456789012.dkr-ecr.eu-west-1.on.aws", "a/b", "latest", "")},
		{"GAR", "us-central1-docker.pkg.dev/my-project/ml-images/training:v1.0", image("us-central1-docker.pkg.dev", "my-project/ml-images/training", "v1.0", "")},
		{"GAR, regional endpoint", "docker.us-central1.rep.pkg.dev/p/r/i", image("docker.us-central1.rep.pkg.dev", "p/r/i", "latest", "")},
		{"GCR, domain-scoped project", "gcr.io/example.com/proj/app", image("gcr.io", "example.com/proj/app", "latest", "")},
		{"ACR with domain name label", "name-hash0123.azurecr.io/app", image("name-hash0123.azurecr.io", "app", "latest", "")},
		{"separators", "reg.io/a.b_c__d---e/f", image("reg.io", "a.b_c__d---e/f", "latest", "")},
		{"tag characters", "reg.io/a:_A.b-9", image("reg.io", "a", "_A.b-9", "")},
		{"hexadecimal name in full", "docker.io/library/" + hex64, image("docker.io", "library/"+hex64, "latest", "")},
		{"longest tag", "a:" + strings.Repeat("t", 128), image("docker.io", "library/a", strings.Repeat("t", 128), "")},
		{"longest repository", "reg.io/" + strings.Repeat("a", 255), image("reg.io", strings.Repeat("a", 255), "latest", "")},
		{"longest label", strings.Repeat("l", 63) + ".io/a", image(strings.Repeat("l", 63)+".io", "a", "latest", "")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := ref.Parse(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("Parse(%q) (-want +got):\n%s", tt.in, diff)
			}
			again, err := ref.Parse(got.String())
			if err != nil || again != got {
				t.Errorf("Parse(%q) = %v, %v; want the same image", got, again, err)
			}
		})
	}
}

func TestImageString(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"ubuntu":                   "docker.io/library/ubuntu:latest",
		"ubuntu@" + sha256:         "docker.io/library/ubuntu@" + sha256,
		"REG.io:80/a:v1@" + sha256: "reg.io:80/a:v1@" + sha256,
	} {
		i, err := ref.Parse(in)
		if err != nil || i.String() != want {
			t.Errorf("Parse(%q) = %q, %v; want %q", in, i, err, want)
		}
	}
	if got := (ref.Image{}).String(); got != "" {
		t.Errorf("the zero image is %q, want nothing", got)
	}
}

func TestReference(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"ubuntu": "latest", "a@" + sha256: sha256, "a:v1@" + sha256: sha256} {
		if i, err := ref.Parse(in); err != nil || i.Reference() != want {
			t.Errorf("Parse(%q).Reference() = %q, %v; want %q", in, i.Reference(), err, want)
		}
	}
}

func TestParseResource(t *testing.T) {
	t.Parallel()
	tests := []struct{ in, host, repository string }{
		{"ubuntu", "docker.io", "library/ubuntu"},
		{"me/app", "docker.io", "me/app"},
		{"registry-1.docker.io/nginx", "docker.io", "library/nginx"},
		{"reg.io/team/app", "reg.io", "team/app"},
		{"reg.io", "reg.io", ""},
		{"REG.io:5000", "reg.io:5000", ""},
		{"registry:5000", "registry:5000", ""},
		{"localhost", "localhost", ""},
		{"index.docker.io", "docker.io", ""},
		{"[::1]:5000", "[::1]:5000", ""},
		{"[::1]", "[::1]", ""},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			t.Parallel()
			want := ref.Resource{Host: tt.host, Repository: tt.repository}
			got, err := ref.ParseResource(tt.in)
			if err != nil || got != want {
				t.Fatalf("ParseResource(%q) = %+v, %v; want %+v", tt.in, got, err, want)
			}
			again, err := ref.ParseResource(got.String())
			if err != nil || again != want {
				t.Errorf("ParseResource(%q) = %+v, %v; want the same", got, again, err)
			}
		})
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	type document struct {
		Image    ref.Image    `json:"image"`
		Resource ref.Resource `json:"resource"`
	}
	const text = `{"image":"docker.io/library/ubuntu:latest","resource":"reg.io/team/app"}`
	var d document
	if err := json.Unmarshal([]byte(`{"image":"ubuntu","resource":"REG.io/team/app"}`), &d); err != nil {
		t.Fatal(err)
	}
	if got, err := json.Marshal(d); err != nil || string(got) != text {
		t.Errorf("Marshal = %s, %v; want %s", got, err, text)
	}

	zero, err := json.Marshal(document{})
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(zero, &d); err != nil || d != (document{}) {
		t.Errorf("Unmarshal(%s) = %+v, %v; want the zero values back", zero, d, err)
	}

	before := document{Image: image("reg.io", "a", "v1", ""), Resource: ref.Resource{Host: "reg.io"}}
	for _, bad := range []string{`{"image":"Reg/a"}`, `{"resource":"reg.io/a:v1"}`} {
		d := before
		err := json.Unmarshal([]byte(bad), &d)
		if _, ok := errors.AsType[*ref.Error](err); !ok {
			t.Errorf("Unmarshal(%s) gives error %v, want a *ref.Error", bad, err)
		}
		if d != before {
			t.Errorf("Unmarshal(%s) refused and changed the value to %+v", bad, d)
		}
	}
}
