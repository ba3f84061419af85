// Command s3server is an S3 server for tests: Versity's gateway over a directory, at an
// address of this machine. Its keys come from the environment.
package main

import (
	"context"
	"flag"
	"log"
	"os"
	"os/signal"
	"syscall"

	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/embedgw"
)

func main() {
	listen := flag.String("listen", "", "address to answer at")
	dir := flag.String("dir", "", "directory of buckets")
	sidecar := flag.String("sidecar", "", "directory of what is known of them")
	cert := flag.String("cert", "", "TLS certificate, PEM")
	key := flag.String("key", "", "its key, PEM")
	flag.Parse()
	if err := run(*listen, *dir, *sidecar, *cert, *key); err != nil {
		log.Fatal(err)
	}
}

func run(listen, dir, sidecar, cert, key string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	// In files beside the objects: not every file system has extended attributes.
	beside, err := meta.NewSideCar(sidecar)
	if err != nil {
		return err
	}
	backend, err := posix.New(dir, beside, posix.PosixOpts{SideCarDir: sidecar})
	if err != nil {
		return err
	}
	defer backend.Shutdown()
	return embedgw.RunVersityGW(ctx, backend, &embedgw.Config{
		RootUserAccess: os.Getenv("S3_ACCESS_KEY"), RootUserSecret: os.Getenv("S3_SECRET_KEY"),
		Region: "us-east-1", Ports: []string{listen}, CertFile: cert, KeyFile: key,
		MaxConnections: 1000, MaxRequests: 1000, MultipartMaxParts: 10000,
		KeepAlive: true, Quiet: true, HealthPath: "/healthz",
	})
}
