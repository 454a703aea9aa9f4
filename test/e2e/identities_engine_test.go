//go:build e2e && linux

package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/testutil"
)

// askProgram asks from the first moment of a container: for its role, and for the credentials of another. Each line is an answer.
const askProgram = `url=$0 other=$1 n=0
ask() {
	answer=$(wget -q -O - "$2" 2>&1) || answer="failed: $answer"
	echo "$1 $answer"
}
while [ $n -lt 20 ]; do
	ask role "$url"
	ask other "$url$other"
	n=$((n + 1))
done
echo done
exec sleep 1000`

// TestIdentities_NextContainerAtAnAddressNeverHasTheRoleBefore replaces a container by one with another role at the same address,
// again and again. The next one is created before, so that it starts within a second.
func TestIdentities_NextContainerAtAnAddressNeverHasTheRoleBefore(t *testing.T) {
	w := newContainerWorld(t, dockerEngine)
	const rounds = 10
	name := func(round int) string { return fmt.Sprintf("identities-round-%d", round) }
	unavailable, answered := 0, 0
	for round := range rounds {
		own, other := "web", "jobs"
		if round%2 == 1 {
			own, other = other, own
		}
		w.must("create", "--label", "mock-ec2-metadata.test=identities", "--name", name(round), "--network", containersNet, "--ip", "172.31.250.7",
			"--label", roleLabel+"="+own, locatorImage, "sh", "-c", askProgram, w.url+rolesList, other)
		if round > 0 {
			w.must("kill", name(round-1))
		}
		w.must("start", name(round))
		var log string
		testutil.Eventually(t, "the container has asked", func() bool {
			log = w.must("logs", name(round))
			return strings.HasSuffix(log, "\ndone")
		})
		served := false
		for line := range strings.Lines(strings.TrimSuffix(log, "done")) {
			switch line = strings.TrimSpace(line); {
			case line == "role "+own:
				served = true
				answered++
			case strings.HasSuffix(line, " 503 Service Unavailable"):
				unavailable++
			case line == "other failed: wget: server returned error: HTTP/1.1 404 Not Found" && served:
			default:
				t.Errorf("round %d, the container of %s gets %q", round, own, line)
			}
		}
		if !served {
			t.Errorf("round %d: no answer has %s:\n%s", round, own, log)
		}
	}
	t.Logf("%d answers with the role, %d times 503", answered, unavailable)
}

// testUnknownAddress gives a container addresses that the engine does not know.
func testUnknownAddress(t *testing.T, w *containerWorld, n netns) {
	ask := func(address, path string, options ...string) {
		t.Helper()
		host := containersGateway
		if strings.Contains(address, ":") {
			host = containersGateway6
		}
		began := time.Now()
		status, body := n.ask(t, "http://"+net.JoinHostPort(host, w.port)+"/"+path, append(options, "--interface", address)...)
		if took := time.Since(began); status != http.StatusServiceUnavailable || took > 2000*time.Millisecond {
			t.Errorf("%s gets %s: %d after %v\n%s", address, path, status, took, body)
		} else {
			t.Logf("%s: 503 after %v", address, took)
		}
	}
	const address, address6 = "172.31.250.99", "fd00:5ca1:ab1f::99"
	mustIP(t, "-n", string(n), "address", "add", address+"/24", "dev", "eth0")
	mustIP(t, "-n", string(n), "address", "add", address6+"/64", "dev", "eth0", "nodad")
	for _, path := range []string{rolesList, rolesList + "myrole", "latest/meta-data/instance-id", "status"} {
		ask(address, path)
	}
	ask(address, "latest/api/token", "-X", "PUT", "-H", "X-aws-ec2-metadata-token-ttl-seconds: 60")
	ask(address6, rolesList)
	ask(address6, rolesList+"myrole")
	w.daemon.waitFor(t, `"error":"no running container has `+address+`"`)
	w.daemon.waitFor(t, `"error":"no running container has `+address6+`"`)
	w.wantRole(n, "web") // from its own address
}

// TestIdentities_EngineThatIsAwayTakesNothingFromKnownContainers puts a proxy before the engine: away at first, then there, away
// again, and hanging.
func TestIdentities_EngineThatIsAwayTakesNothingFromKnownContainers(t *testing.T) {
	engine := &engineProxy{t: t, path: filepath.Join(runtimeDir(t), "engine.sock"), ends: map[net.Conn]bool{}}
	w := newContainerWorld(t, "unix://"+engine.path)
	t.Cleanup(engine.close) // before the daemon ends
	w.start("identities-first", "--label", roleLabel+"=web")
	first, vm := w.enter("identities-first"), newGuest(t)
	vmURL := "http://" + net.JoinHostPort(guestGateway, w.port) + "/"

	unavailable := func(n netns, url string) {
		t.Helper()
		for _, path := range []string{rolesList, "latest/meta-data/instance-id"} {
			began := time.Now()
			if status, body := n.ask(t, url+path); status != http.StatusServiceUnavailable || time.Since(began) > 1500*time.Millisecond {
				t.Errorf("%s%s answers %d %q after %v, want 503", url, path, status, body, time.Since(began))
			}
		}
	}
	// returns waits for a container's role, which must be there two seconds after the engine.
	returns := func(n netns, role string, do func()) {
		t.Helper()
		do()
		began := time.Now()
		testutil.EventuallyWithin(t, 10*time.Second, role+" is known", func() bool {
			status, body := n.ask(t, w.url+rolesList)
			if status == http.StatusOK && body != role {
				t.Errorf("%s answers %q, want %s", rolesList, body, role)
			}
			return status == http.StatusOK
		})
		if took := time.Since(began); took > 2500*time.Millisecond {
			t.Errorf("%s is known %v after the engine is back, want 2 s", role, took)
		} else {
			t.Logf("%s is known after %v", role, took)
		}
		w.wantRole(n, role)
	}
	status := func() *api.Containers {
		t.Helper()
		var s api.Status
		_, body := fetch(t, w.daemon.url+"status")
		if err := json.Unmarshal([]byte(body), &s); err != nil || s.Containers == nil {
			t.Fatalf("%v in %s", err, body)
		}
		return s.Containers
	}
	wantStatus := func(connected bool) {
		t.Helper()
		testutil.Eventually(t, fmt.Sprintf("the status says connected: %v", connected), func() bool {
			s := status()
			return s.Connected == connected && (s.Error == "") == connected
		})
	}

	// Never reached: nobody but this machine gets anything.
	unavailable(first, w.url)
	unavailable(vm, vmURL)
	w.daemon.waitFor(t, `the container engine has not been reached: `+engine.path+`: no such file`)
	wantStatus(false)
	if _, got := fetch(t, w.daemon.url+rolesList); got != "myrole" {
		t.Errorf("this machine has the role %q", got)
	}
	if _, got := fetch(t, w.url+rolesList+"myrole"); !strings.Contains(got, `"Code" : "Success"`) {
		t.Errorf("this machine gets %s", got)
	}
	returns(first, "web", engine.open)
	vm.wantAnswer(t, vmURL+rolesList, "myrole")
	wantStatus(true)

	engine.close()
	wantStatus(false)
	w.start("identities-second", "--label", roleLabel+"=jobs")
	second := w.enter("identities-second")
	w.wantRole(first, "web")
	unavailable(second, w.url)
	w.daemon.waitFor(t, `and the container engine cannot be asked`)
	unavailable(vm, vmURL) // it may be a container of a new network
	writeRoles(t, w.home, containerRoles(), w.blocks+"clients:\n  - {from: 198.18.77.0/30, role: jobs}\n")
	testutil.Eventually(t, "the virtual machine gets its entry", func() bool {
		status, role := vm.ask(t, vmURL+rolesList)
		return status == http.StatusOK && role == "jobs"
	})
	w.wantRole(first, "web")
	writeRoles(t, w.home, containerRoles(), w.blocks)
	testutil.Eventually(t, "the virtual machine gets nothing again", func() bool {
		status, _ := vm.ask(t, vmURL+rolesList)
		return status == http.StatusServiceUnavailable
	})
	returns(second, "jobs", engine.open)
	w.wantRole(first, "web")
	vm.wantAnswer(t, vmURL+rolesList, "myrole")

	engine.hang()
	w.start("identities-third", "--label", roleLabel+"=web")
	third := w.enter("identities-third")
	w.wantRole(first, "web")
	w.wantRole(second, "jobs")
	unavailable(third, w.url)
	returns(third, "web", engine.goOn)
	w.wantRole(first, "web")

	// The next container at the address of one that has ended: nothing, until the engine says who it is.
	address := w.must("inspect", "--format", "{{(index .NetworkSettings.Networks \""+containersNet+"\").IPAddress}}", "identities-first")
	before := status().Containers
	w.must("kill", "identities-first")
	testutil.Eventually(t, "the daemon knows that the container has ended", func() bool { return status().Containers < before })
	engine.hang()
	w.start("identities-next", "--ip", address, "--label", roleLabel+"=jobs")
	next := w.enter("identities-next")
	unavailable(next, w.url)
	returns(next, "jobs", engine.goOn)
}

// engineProxy passes what comes to a socket on to the engine of this machine.
type engineProxy struct {
	t    *testing.T
	path string
	gate sync.RWMutex // locked while it hangs

	mu       sync.Mutex // guards the fields below
	listener net.Listener
	ends     map[net.Conn]bool // of all connections
}

func (p *engineProxy) open() {
	p.t.Helper()
	l, err := net.Listen("unix", p.path)
	if err != nil {
		p.t.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.listener = l
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			engine, err := net.Dial("unix", strings.TrimPrefix(dockerEngine, "unix://"))
			if err != nil {
				_ = c.Close()
				continue
			}
			go p.pass(c, engine)
			go p.pass(engine, c)
		}
	}()
}

// pass copies until one end closes, and then closes both.
func (p *engineProxy) pass(from, to net.Conn) {
	p.mu.Lock()
	p.ends[from] = true
	p.mu.Unlock()
	defer func() {
		_, _ = from.Close(), to.Close()
		p.mu.Lock()
		delete(p.ends, from)
		p.mu.Unlock()
	}()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		p.gate.RLock()
		_, writeErr := to.Write(buf[:n])
		p.gate.RUnlock()
		if err != nil || writeErr != nil {
			return
		}
	}
}

// close ends all connections, and takes the socket away.
func (p *engineProxy) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != nil {
		_ = p.listener.Close()
		p.listener = nil
	}
	for c := range p.ends {
		_ = c.Close()
	}
}

// hang passes nothing on until goOn.
func (p *engineProxy) hang() { p.gate.Lock() }
func (p *engineProxy) goOn() { p.gate.Unlock() }
