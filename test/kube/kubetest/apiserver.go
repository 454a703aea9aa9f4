//go:build linux

// Package kubetest starts a real kube-apiserver with its etcd for programs that are no tests, and fills it with the pods of a node.
// The tests of test/kube have a harness of their own, which fails tests instead of returning errors.
package kubetest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// startLimit bounds how long etcd and the API server may take together until they answer.
const startLimit = time.Minute

// An APIServer is a kube-apiserver with an etcd, without nodes and controllers.
type APIServer struct {
	// Address is its host:port, for TLS.
	Address string
	// Token is that of an administrator.
	Token string
	// Authority is a file with the certificate that clients must trust.
	Authority string

	etcd      string // URL
	http      *http.Client
	processes []*exec.Cmd
}

// StartAPIServer starts one in an empty directory, on a free port of the IPv4 address host. program is kube-apiserver; etcd is on the
// PATH. Stop ends it; so does the end of ctx.
func StartAPIServer(ctx context.Context, dir, program, host string) (*APIServer, error) {
	free, err := freeAddresses(host, "127.0.0.1", "127.0.0.1")
	if err != nil {
		return nil, err
	}
	address, client, peer := free[0], free[1], free[2]
	s := &APIServer{Address: address, Token: rand.Text(), Authority: filepath.Join(dir, "apiserver.crt"), etcd: "http://" + client}
	accounts, tokens := filepath.Join(dir, "accounts.key"), filepath.Join(dir, "tokens.csv")
	key, err := accountsKey()
	if err := errors.Join(
		err, os.WriteFile(accounts, key, 0o600), os.WriteFile(tokens, []byte(s.Token+`,admin,admin,"system:masters"`+"\n"), 0o600),
	); err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(address)
	err = errors.Join(
		s.start(ctx, filepath.Join(dir, "etcd.log"), "etcd", "--data-dir="+filepath.Join(dir, "etcd"), "--unsafe-no-fsync",
			"--listen-client-urls="+s.etcd, "--advertise-client-urls="+s.etcd, "--listen-peer-urls=http://"+peer),
		s.start(ctx, filepath.Join(dir, "apiserver.log"), program, "--etcd-servers="+s.etcd, "--bind-address="+host, "--secure-port="+port,
			"--cert-dir="+dir, "--token-auth-file="+tokens, "--authorization-mode=RBAC", "--service-cluster-ip-range=10.96.0.0/24",
			"--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file="+accounts,
			"--service-account-signing-key-file="+accounts, "--feature-gates=WatchList=false", "--allow-privileged=true",
			"--external-hostname="+host, "--endpoint-reconciler-type=none"),
	)
	if err == nil {
		err = s.awaitReady(ctx)
	}
	if err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}

// accountsKey makes the key of service accounts' tokens. The API server reads no PKCS 8 where it wants the public half.
func accountsKey() ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), err
}

// start runs a program, whose output goes to a file.
func (s *APIServer) start(ctx context.Context, log, program string, args ...string) error {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		return err
	}
	s.processes = append(s.processes, cmd)
	return nil
}

// awaitReady waits until the API server says that it is ready. At its first start it makes a certificate for itself.
func (s *APIServer) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for {
		err := s.trust()
		if err == nil {
			err = s.do(ctx, http.MethodGet, "https://"+s.Address+"/readyz", nil)
		}
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			etcd, _ := os.ReadFile(filepath.Join(filepath.Dir(s.Authority), "etcd.log"))
			return fmt.Errorf("the API server is not ready within %v: %w\netcd: %s", startLimit, err, etcd[max(0, len(etcd)-500):])
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// trust makes the client that trusts the API server's certificate.
func (s *APIServer) trust() error {
	text, err := os.ReadFile(s.Authority)
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return fmt.Errorf("%s: no certificate", s.Authority)
	}
	s.http = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	return nil
}

// Stop ends both programs and waits for their end.
func (s *APIServer) Stop() {
	for _, p := range s.processes {
		_ = p.Process.Kill()
	}
	for _, p := range s.processes {
		_ = p.Wait()
	}
}

// freeAddresses are addresses of hosts that nothing listens on, each with another port.
func freeAddresses(hosts ...string) ([]string, error) {
	var all []string
	for _, host := range hosts {
		l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
		if err != nil {
			return nil, err
		}
		defer func() { _ = l.Close() }() // all at once, so that no port is given twice
		all = append(all, l.Addr().String())
	}
	return all, nil
}
