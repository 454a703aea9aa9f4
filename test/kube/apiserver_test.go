//go:build kube && linux

package kube

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"mock-ec2-metadata/internal/testutil"
)

// An apiServer is a kube-apiserver with its etcd on the loopback, without nodes and controllers.
type apiServer struct {
	dir       string
	authority string // file with the certificate that clients must trust
	etcd      string // URL
	flags     []string
	process   *program
	api       *client // of an administrator
}

// startAPIServer starts one in an empty directory until the test ends. flags are further ones of kube-apiserver.
func startAPIServer(t *testing.T, flags ...string) *apiServer {
	t.Helper()
	need(t, "kube-apiserver")
	dir := t.TempDir()
	s := &apiServer{dir: dir, authority: filepath.Join(dir, "apiserver.crt"), etcd: "http://" + freeAddress(t)}
	start(t, filepath.Join(dir, "etcd.log"), "etcd", "--data-dir="+filepath.Join(dir, "etcd"), "--unsafe-no-fsync",
		"--listen-client-urls="+s.etcd, "--advertise-client-urls="+s.etcd, "--listen-peer-urls=http://"+freeAddress(t))

	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalECPrivateKey(key) // the API server reads no PKCS 8 where it wants the public half
	if err != nil {
		t.Fatal(err)
	}
	accounts := testutil.Write(t, filepath.Join(dir, "accounts.key"), string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})))
	token := rand.Text()
	tokens := testutil.Write(t, filepath.Join(dir, "tokens.csv"), token+`,admin,admin,"system:masters"`+"\n")
	address := freeAddress(t)
	host, port, _ := net.SplitHostPort(address)
	s.flags = append([]string{
		"--etcd-servers=" + s.etcd, "--bind-address=" + host, "--secure-port=" + port, "--cert-dir=" + dir,
		"--token-auth-file=" + tokens, "--authorization-mode=RBAC", "--service-cluster-ip-range=10.96.0.0/24",
		"--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file=" + accounts,
		"--service-account-signing-key-file=" + accounts, "--feature-gates=WatchList=false", "--allow-privileged=true",
		"--external-hostname=" + host, "--endpoint-reconciler-type=none",
	}, flags...)
	s.start(t)
	transport, err := certified(s.authority, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(transport.CloseIdleConnections)
	s.api = &client{url: "https://" + address, token: token, http: &http.Client{Transport: transport}}
	s.waitUntilReady(t)
	return s
}

// start runs kube-apiserver, which makes a certificate for itself at its first start, and waits for that.
func (s *apiServer) start(t *testing.T) {
	t.Helper()
	s.process = start(t, filepath.Join(s.dir, "apiserver.log"), filepath.Join(binDir(), "kube-apiserver"), s.flags...)
	testutil.EventuallyWithin(t, time.Minute, "certificate of the API server", func() bool { s.process.wantRunning(t); return isFile(s.authority) })
}

// waitUntilReady waits until the API server says so.
func (s *apiServer) waitUntilReady(t *testing.T) {
	t.Helper()
	testutil.EventuallyWithin(t, time.Minute, "API server", func() bool {
		s.process.wantRunning(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		status, err := s.api.try(ctx, http.MethodGet, "/readyz", nil, nil)
		return err == nil && status == http.StatusOK
	})
}

// restart ends the API server and starts it again. Its etcd runs on.
func (s *apiServer) restart(t *testing.T) {
	t.Helper()
	s.process.kill()
	s.start(t)
	s.waitUntilReady(t)
}

// compact makes etcd forget all but the present state: a watch from an earlier one gets 410.
func (s *apiServer) compact(t *testing.T) {
	t.Helper()
	var found struct{ Header struct{ Revision string } }
	s.askEtcd(t, "range", object{"key": base64.StdEncoding.EncodeToString([]byte("/registry"))}, &found)
	s.askEtcd(t, "compaction", object{"revision": found.Header.Revision, "physical": true}, nil)
}

func (s *apiServer) askEtcd(t *testing.T, what string, body, out any) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	path := "/v3/kv/" + what
	response, err := http.Post(s.etcd+path, "application/json", bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("etcd %s: status %d", path, response.StatusCode)
	}
	if out != nil {
		if err := json.NewDecoder(response.Body).Decode(out); err != nil {
			t.Fatal(err)
		}
	}
}

// namespace makes a namespace with its default service account, which no controller makes here.
func (s *apiServer) namespace(t *testing.T, annotations map[string]string) string {
	t.Helper()
	name := s.api.namespace(t, annotations)
	s.serviceAccount(t, name, "default", nil)
	return name
}

// serviceAccount makes a service account with the annotations.
func (s *apiServer) serviceAccount(t *testing.T, namespace, name string, annotations map[string]string) {
	t.Helper()
	s.api.do(t, http.MethodPost, "/api/v1/namespaces/"+namespace+"/serviceaccounts",
		object{"metadata": object{"name": name, "annotations": annotations}}, nil)
}

// token is one for a service account, as its pods get it.
func (c *client) accountToken(t *testing.T, namespace, name string) string {
	t.Helper()
	var made struct{ Status struct{ Token string } }
	c.do(t, http.MethodPost, fmt.Sprintf("/api/v1/namespaces/%s/serviceaccounts/%s/token", namespace, name),
		object{"spec": object{"expirationSeconds": 3600}}, &made)
	return made.Status.Token
}

// running makes a pod of the node with an address, as a kubelet reports it.
func (s *apiServer) running(t *testing.T, namespace, name, address string, spec podSpec) {
	t.Helper()
	spec.direct = true
	s.api.createPod(t, namespace, name, spec)
	s.api.do(t, http.MethodPatch, "/api/v1/namespaces/"+namespace+"/pods/"+name+"/status", object{"status": object{
		"phase": "Running", "podIP": address, "podIPs": []any{object{"ip": address}}, "startTime": time.Now().UTC().Format(time.RFC3339),
	}}, nil)
}

// freeAddress is an address of the loopback that nothing listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
}
