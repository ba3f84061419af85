package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// cache is a running pull-through cache.
type cache struct {
	*process
	name string
	base string // URL of the registry's root
	dir  string // where it keeps blobs, if that is looked at
	// prefix is in front of repositories; login is an Authorization header.
	prefix, login string
}

func (c *cache) manifest(i image, reference string) string {
	return c.base + "/v2/" + c.prefix + i.repository + "/manifests/" + reference
}

func (c *cache) blob(i image, digest string) string {
	return c.base + "/v2/" + c.prefix + i.repository + "/blobs/" + digest
}

// maker starts a cache of one kind, in a new directory, in front of an upstream.
type maker struct {
	name string
	make func(ctx context.Context, b *bench, up *source) (*cache, error)
}

// The caches that are compared.
func ours(flags ...string) maker {
	return maker{"fairlead", func(ctx context.Context, b *bench, up *source) (*cache, error) {
		dir, err := os.MkdirTemp(b.dir, "fairlead-")
		if err != nil {
			return nil, err
		}
		return b.fairlead(ctx, dir, up, flags...)
	}}
}

// again starts it, ends it, and starts it anew with what it has then.
func (m maker) again() maker {
	return maker{m.name, func(ctx context.Context, b *bench, up *source) (*cache, error) {
		dir, err := os.MkdirTemp(b.dir, "fairlead-")
		if err != nil {
			return nil, err
		}
		first, err := b.fairlead(ctx, dir, up)
		if err != nil {
			return nil, err
		}
		first.stop(syscall.SIGTERM)
		return b.fairlead(ctx, dir, up)
	}}
}

func distribution2() maker {
	return maker{"distribution 2.8", func(_ context.Context, b *bench, up *source) (*cache, error) {
		return b.distribution("distribution 2.8", "docker-registry", up)
	}}
}

func distribution3() maker {
	return maker{"distribution 3", func(_ context.Context, b *bench, up *source) (*cache, error) {
		return b.distribution("distribution 3", b.peer("registry"), up)
	}}
}

func nginx() maker {
	return maker{"nginx", func(_ context.Context, b *bench, up *source) (*cache, error) { return b.nginx(up) }}
}

// fairlead starts a server with a registry entry for the upstream, whose directory may be
// there already.
func (b *bench) fairlead(ctx context.Context, dir string, up *source, flags ...string) (*cache, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	scheme := "http"
	for _, f := range flags {
		if f == "--tls-cert" {
			scheme = "https"
		}
	}
	url := scheme + "://" + address
	env := []string{"FAIRLEAD_CONFIG_DIR=" + filepath.Join(dir, "config"), "HOME=" + dir, "SSL_CERT_FILE=" + b.cert}
	args := append([]string{"serve", "--no-worker", "--listen", address, "--public-url", url, "--data", filepath.Join(dir, "data"), "--allow-host", "127.0.0.0/8", "--log-level", "error"}, flags...)
	p, err := b.start("fairlead", env, b.binary, args...)
	if err != nil {
		return nil, err
	}
	if err := p.ready(address); err != nil {
		return nil, err
	}
	if _, err := p.says(1); err != nil { // that it is ready
		return nil, err
	}
	c := &cache{process: p, name: "fairlead", base: url, dir: filepath.Join(dir, "data", "gateway"), prefix: strings.Replace(up.closed, ":", "__", 1) + "/"}
	tokenFile := filepath.Join(dir, "token")
	if _, err := os.Stat(tokenFile); errors.Is(err, os.ErrNotExist) {
		if err := b.connect(ctx, dir, env, up); err != nil {
			p.stop(syscall.SIGKILL)
			return nil, err
		}
	}
	token, err := os.ReadFile(tokenFile)
	if err != nil {
		return nil, err
	}
	c.login = "Basic " + base64.StdEncoding.EncodeToString([]byte("acme:"+strings.TrimSpace(string(token))))
	return c, nil
}

// connect sets the server up, connects the upstream, and makes a token.
func (b *bench) connect(ctx context.Context, dir string, env []string, up *source) error {
	password := filepath.Join(dir, "password")
	login := filepath.Join(dir, "login")
	if err := errors.Join(os.WriteFile(password, []byte("correct horse battery"), 0o600), os.WriteFile(login, []byte(upstreamPassword), 0o600)); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"setup", "--data", filepath.Join(dir, "data"), "--organization", "acme", "--name", "ann", "--password-file", password},
		{"registry", "add", "up", "--pattern", up.closed + "/*", "--username", upstreamUser, "--password-file", login, "--plain-http"},
		{"token", "create", "bench"},
	} {
		cmd := exec.CommandContext(ctx, b.binary, args...)
		cmd.Env = append(os.Environ(), env...)
		out, err := cmd.Output()
		if err != nil {
			if exit, ok := errors.AsType[*exec.ExitError](err); ok {
				err = fmt.Errorf("%w: %s", err, exit.Stderr)
			}
			return fmt.Errorf("fairlead %s: %w", args[0], err)
		}
		if args[0] == "token" {
			return os.WriteFile(filepath.Join(dir, "token"), out, 0o600)
		}
	}
	return nil
}

// distribution starts a registry that is a proxy (distribution.github.io, "Registry as a
// pull through cache").
func (b *bench) distribution(name, program string, up *source) (*cache, error) {
	dir, err := os.MkdirTemp(b.dir, "distribution-")
	if err != nil {
		return nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "config.yml")
	text := fmt.Sprintf("version: 0.1\nlog:\n  level: error\n  accesslog:\n    disabled: true\nstorage:\n  filesystem:\n    rootdirectory: %s\nhttp:\n  addr: %s\nproxy:\n  remoteurl: http://%s\n", dir, address, up.open)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	p, err := b.start(strings.ReplaceAll(name, " ", "-"), []string{"OTEL_TRACES_EXPORTER=none"}, program, "serve", config)
	if err != nil {
		return nil, err
	}
	return &cache{process: p, name: name, base: "http://" + address}, p.ready(address)
}

// nginx starts a proxy that caches by URL (nginx.org, ngx_http_proxy_module).
func (b *bench) nginx(up *source) (*cache, error) {
	dir, err := os.MkdirTemp(b.dir, "nginx-")
	if err != nil {
		return nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "nginx.conf")
	text := fmt.Sprintf(`daemon off; worker_processes 2; pid %[1]s/pid; error_log %[1]s/error.log; user root;
events { worker_connections 1024; }
http {
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;
  client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
  proxy_cache_path %[1]s/cache keys_zone=c:10m max_size=100g inactive=1d use_temp_path=off;
  server {
    listen %[2]s;
    location / {
      proxy_pass http://%[3]s; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_cache c; proxy_cache_valid 200 30s; proxy_cache_lock on; proxy_cache_lock_timeout 1h; proxy_cache_lock_age 1h; proxy_max_temp_file_size 10240m;
      location ~ /blobs/ { proxy_pass http://%[3]s; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_cache c; proxy_cache_valid 200 1d; proxy_cache_lock on; proxy_cache_lock_timeout 1h; proxy_cache_lock_age 1h; proxy_max_temp_file_size 10240m; }
    }
  }
}
`, dir, address, up.open)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	p, err := b.start("nginx", nil, "nginx", "-c", config, "-p", dir)
	if err != nil {
		return nil, err
	}
	return &cache{process: p, name: "nginx", base: "http://" + address}, p.ready(address)
}
