package kubecli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"mock-ec2-metadata/internal/app"
	"mock-ec2-metadata/internal/caller"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/kube"
	"mock-ec2-metadata/internal/podproc"
	"mock-ec2-metadata/internal/testutil"
)

const (
	// restricted is the variable of the process whose system calls are restricted.
	restricted = "KUBECLI_TEST_RESTRICTED"

	addressOfPod = "10.244.0.2"
	podOfNode    = `{"metadata":{"name":"web","namespace":"shop","uid":"u","annotations":{"iam.amazonaws.com/role":"app"}},` +
		`"spec":{"nodeName":"node1"},"status":{"phase":"Running","podIP":"` + addressOfPod + `","podIPs":[{"ip":"` + addressOfPod + `"}]}}`
	getCredentials = "GET /latest/meta-data/iam/security-credentials/app HTTP/1.1\r\nHost: 169.254.169.254\r\n\r\n"
)

// TestServe_RepeatedRequestOfAPodOnlyReadsAndWrites runs itself in a process in which other system calls are fatal.
func TestServe_RepeatedRequestOfAPodOnlyReadsAndWrites(t *testing.T) {
	if os.Getenv(restricted) == "" {
		var output string
		var err error
		testutil.EventuallyWithin(t, time.Minute, "a moment in which the network of this machine, which the daemon follows, does not change", func() bool {
			output, err = runRestricted(t)
			return err == nil || !strings.Contains(output, "netlink.")
		})
		if err != nil || !strings.Contains(output, "1000 requests answered") {
			t.Errorf("%v\n%s", err, output)
		}
		return
	}
	conn := connectAsPod(t)
	answers := bufio.NewReader(conn)
	ask := func() string {
		if _, err := io.WriteString(conn, getCredentials); err != nil {
			panic(err)
		}
		response, err := http.ReadResponse(answers, nil)
		if err != nil {
			panic(err)
		}
		body, err := io.ReadAll(response.Body)
		if err = errors.Join(err, response.Body.Close()); err != nil {
			panic(err)
		}
		return string(body)
	}
	testutil.Eventually(t, "credentials", func() bool { return strings.Contains(ask(), `"Code" : "Success"`) })
	for range 300 {
		ask() // until what the start has begun has ended
	}
	restrict(t)
	for range 1000 {
		if body := ask(); !strings.Contains(body, `"Code" : "Success"`) {
			panic(body)
		}
	}
	fmt.Println("1000 requests answered")
	unix.Exit(0) // closing anything is a system call, and os.Exit has the race detector wait for a second
}

func runRestricted(t *testing.T) (output string, err error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), restricted+"=1")
	text, err := cmd.CombinedOutput()
	return string(text), err
}

// connectAsPod starts a daemon of a node with one pod, and connects to it from the pod's address.
func connectAsPod(t *testing.T) net.Conn {
	t.Helper()
	testutil.IsolateHome(t)
	api := httptest.NewServer(http.HandlerFunc(listOnePod))
	loaded, err := config.Load(config.Sources{Text: []byte(`
credentials: {mock: true}
kubernetes: {enabled: true, node: node1, rules: {namespaces: {"*": {allow: ["*"]}}}}
server: {allow_clients: [10.244.0.0/16]}
`)})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	var pods *kube.Locator
	var proc kube.Proc
	if finder, err := podproc.New(podproc.Options{}); err == nil {
		proc = kernel{finder}
	}
	a, err := app.New(t.Context(), app.Options{
		Config: loaded, Log: log, Level: new(slog.LevelVar), WithoutListen: true, Listeners: []net.Listener{podListener{listener}},
		NewCluster: func(c *config.Config, bound func(*caller.Workload)) (app.Cluster, error) {
			pods, err = kube.New(kube.Options{
				Node: "node1", Find: c.Kubernetes.Pods.Find, Wait: c.Kubernetes.Pods.Wait, Annotations: c.Kubernetes.Annotations.Role,
				API: kube.NewConfig(api.URL, nil, ""), Proc: proc, Bound: bound, Log: log, Now: time.Now,
			})
			return nodePods{pods}, err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = a.Run(context.Background()) }()
	<-a.Started()
	testutil.Eventually(t, "list of pods", func() bool { return pods.Status().Synced }) // before that, a request asks the kernel
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// listOnePod is an API server whose watches are silent.
func listOnePod(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if r.URL.Query().Get("watch") != "" {
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		return
	}
	_, _ = io.WriteString(w, `{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":[`+podOfNode+`]}`)
}

// podListener accepts connections as if the pod had made them.
type podListener struct{ net.Listener }

func (l podListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return podConn{c}, err
}

type podConn struct{ net.Conn }

func (podConn) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(addressOfPod + ":40000"))
}
