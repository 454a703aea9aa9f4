//go:build e2e && linux

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/testutil"
)

// taskContainer is what task metadata of version 4 says of a container.
type taskContainer struct {
	DockerID, Name, DockerName, Image, KnownStatus, DesiredStatus, Type string
	ExitCode                                                            *int
	Labels                                                              map[string]string
	Limits                                                              struct{ CPU, Memory float64 }
	Networks                                                            []struct {
		NetworkMode   string
		IPv4Addresses []string
	}
	Ports []struct {
		ContainerPort, HostPort int
		Protocol, HostIP        string
	}
	CreatedAt, StartedAt, FinishedAt string
}

// taskDocument is a task in any version.
type taskDocument struct {
	Cluster, TaskARN, Family, Revision, KnownStatus, LaunchType string
	Containers                                                  []taskContainer
	TaskTags                                                    map[string]string
	FaultInjectionEnabled                                       *bool
}

// names are the containers of a task, sorted, each with its state.
func (d taskDocument) names() []string {
	var all []string
	for _, c := range d.Containers {
		text := c.Name + " " + c.KnownStatus
		if c.ExitCode != nil {
			text += fmt.Sprint(" ", *c.ExitCode)
		}
		all = append(all, text)
	}
	slices.Sort(all)
	return all
}

// read gets a JSON document of the daemon from a container.
func read[T any](t *testing.T, w *containerWorld, n netns, path string) (document T) {
	t.Helper()
	status, body := n.ask(t, w.url+path)
	if err := json.Unmarshal([]byte(body), &document); status != http.StatusOK || err != nil {
		t.Errorf("%s: %d, %v in %s", path, status, err, body)
	}
	return document
}

// TestTasks_AreProjectsOfTheEngine has a project of three containers, of which one has ended, and another project whose container has
// the same endpoint id.
func TestTasks_AreProjectsOfTheEngine(t *testing.T) {
	w := newContainerWorld(t, dockerEngine)
	w.blocks += "ecs: {task: {cluster: prod, family: shop, revision: \"7\", tags: {team: red}}}\n"
	writeRoles(t, w.home, containerRoles(), w.blocks)
	w.daemon.waitFor(t, `"msg":"configuration reloaded"`)
	in := func(project, service, endpoint string, more ...string) []string {
		return append([]string{
			"--detach", "--name", "identities-" + project + "-" + service, "--network", containersNet,
			"--label", "com.docker.compose.project=" + project, "--label", "com.docker.compose.service=" + service,
			"--env", "ECS_CONTAINER_METADATA_URI_V4=" + w.url + "v4/" + endpoint,
		}, more...)
	}
	w.create(in("shop", "job", "job"), "sh", "-c", "exit 3")
	webID := w.create(in("shop", "web", "web", "--label", roleLabel+"=web", "--publish", "127.0.0.1::80", "--cpus", "0.5", "--memory", "64m"), "sleep", "1000")
	dbID := w.create(in("shop", "db", "db", "--label", roleLabel+"=jobs"), "sleep", "1000")
	otherID := w.create(in("other", "front", "web"), "sleep", "1000")
	alone := w.create([]string{"--detach", "--name", "identities-alone", "--network", containersNet}, "sleep", "1000")
	web, db, other, single := w.enter("identities-shop-web"), w.enter("identities-shop-db"), w.enter("identities-other-front"), w.enter("identities-alone")
	testutil.Eventually(t, "the daemon knows all", func() bool { status, _ := single.ask(t, w.url+"v2/metadata"); return status == http.StatusOK })

	t.Run("its own container", func(t *testing.T) {
		c := read[taskContainer](t, w, web, "v4/web")
		if c.DockerID != webID || c.Name != "web" || c.DockerName != "identities-shop-web" || c.Image != locatorImage || c.KnownStatus != "RUNNING" || c.ExitCode != nil {
			t.Errorf("%+v", c)
		}
		if c.Limits.CPU != 512 || c.Limits.Memory != 64 || c.Labels[roleLabel] != "web" || !strings.HasSuffix(c.StartedAt, "Z") || c.FinishedAt != "" {
			t.Errorf("%+v", c)
		}
		address := w.must("inspect", "--format", `{{(index .NetworkSettings.Networks "`+containersNet+`").IPAddress}}`, "identities-shop-web")
		if n := c.Networks; len(n) != 1 || n[0].NetworkMode != "bridge" || !slices.Equal(n[0].IPv4Addresses, []string{address}) {
			t.Errorf("its networks are %+v, want %s", n, address)
		}
		if p := c.Ports; len(p) != 1 || p[0].ContainerPort != 80 || p[0].HostPort == 0 || p[0].Protocol != "tcp" || p[0].HostIP != "127.0.0.1" {
			t.Errorf("its ports are %+v", p)
		}
		if got := read[taskContainer](t, w, other, "v4/web"); got.DockerID != otherID || got.Name != "front" {
			t.Errorf("the same id in another task is %+v", got)
		}
	})
	t.Run("the task", func(t *testing.T) {
		want := []string{"db RUNNING", "job STOPPED 3", "web RUNNING"}
		task := read[taskDocument](t, w, web, "v4/web/task")
		for name, got := range map[string]taskDocument{
			"web": task, "db": read[taskDocument](t, w, db, "v4/db/task"), "web's db": read[taskDocument](t, w, web, "v4/db/task"),
			"version 3": read[taskDocument](t, w, web, "v3/web/task"), "version 2": read[taskDocument](t, w, db, "v2/metadata"),
		} {
			if diff := cmp.Diff(want, got.names()); diff != "" || got.TaskARN != task.TaskARN || got.Family != "shop" || got.Revision != "7" || got.Cluster != "prod" || got.TaskTags != nil {
				t.Errorf("%s: %+v\n%s", name, got, diff)
			}
		}
		if task.FaultInjectionEnabled == nil || task.LaunchType != "EC2" || task.KnownStatus != "RUNNING" {
			t.Errorf("%+v", task)
		}
		if got := read[taskDocument](t, w, web, "v4/web/taskWithTags").TaskTags; got["team"] != "red" {
			t.Errorf("its tags are %q", got)
		}
		for n, name := range map[netns]string{other: "front", single: "identities-alone"} {
			got := read[taskDocument](t, w, n, "v2/metadata")
			if !slices.Equal(got.names(), []string{name + " RUNNING"}) || got.TaskARN == task.TaskARN {
				t.Errorf("the task of %s is %+v", name, got)
			}
		}
		printed := w.must("exec", "identities-shop-web", "sh", "-c", `wget -q -O - "$ECS_CONTAINER_METADATA_URI_V4/task"`)
		var got taskDocument
		if err := json.Unmarshal([]byte(printed), &got); err != nil || got.TaskARN != task.TaskARN {
			t.Errorf("%v in %s", err, printed)
		}
	})
	t.Run("nothing of another task", func(t *testing.T) {
		for n, paths := range map[netns][]string{
			other:  {"v4/db", "v4/db/task", "v4/job/stats", "v2/metadata/" + webID, "v2/stats/" + dbID, "v4/" + webID},
			single: {"v4/web", "v4/db/task", "v2/metadata/" + webID},
			web:    {"v2/metadata/" + otherID, "v2/metadata/" + alone},
		} {
			for _, path := range paths {
				if status, body := n.ask(t, w.url+path); status != http.StatusNotFound && status != http.StatusBadRequest || !strings.HasPrefix(body, `"`) {
					t.Errorf("%s: %d %s", path, status, body)
				}
			}
		}
	})
	t.Run("statistics", func(t *testing.T) { testTaskStats(t, w, web, webID, dbID) })
	t.Run("credentials", func(t *testing.T) { testTaskCredentials(t, w, web, db, webID) })
	t.Run("a container that ends", func(t *testing.T) {
		w.must("kill", "identities-shop-web")
		want := []string{"db RUNNING", "job STOPPED 3", "web STOPPED 137"}
		testutil.Eventually(t, "it is shown", func() bool { return slices.Equal(read[taskDocument](t, w, db, "v4/db/task").names(), want) })
		if c := read[taskContainer](t, w, db, "v2/metadata/"+webID); c.KnownStatus != "STOPPED" || c.DesiredStatus != "STOPPED" || !strings.HasSuffix(c.FinishedAt, "Z") {
			t.Errorf("%+v", c)
		}
		w.must("rm", "identities-shop-web", "identities-shop-job")
		testutil.Eventually(t, "those that are removed are not shown", func() bool {
			return slices.Equal(read[taskDocument](t, w, db, "v4/db/task").names(), want[:1])
		})
	})
}

// testTaskStats reads statistics of a container and its task.
func testTaskStats(t *testing.T, w *containerWorld, web netns, webID, dbID string) {
	type stats struct {
		CPU   *struct{}       `json:"cpu_stats"`
		Rates json.RawMessage `json:"network_rate_stats"`
	}
	for _, path := range []string{"v4/web/stats", "v3/web/stats", "v2/stats/" + webID} {
		testutil.Eventually(t, path+" has figures", func() bool { // rates need two of them
			var got stats
			status, body := web.ask(t, w.url+path)
			if err := json.Unmarshal([]byte(body), &got); err != nil && status == http.StatusOK {
				t.Fatalf("%v in %s", err, body)
			}
			return got.CPU != nil && (len(got.Rates) > 0) == strings.HasPrefix(path, "v4")
		})
	}
	for path, none := range map[string]string{"v4/web/task/stats": "{}", "v3/web/task/stats": "null", "v2/stats": "null"} {
		testutil.Eventually(t, path+" has figures of what runs", func() bool { // Docker 20.10 may take a second for each
			all := read[map[string]json.RawMessage](t, w, web, path)
			with := 0
			for id, text := range all {
				switch runs := id == webID || id == dbID; {
				case runs && strings.Contains(string(text), `"cpu_stats"`):
					with++
				case string(text) != none:
					t.Fatalf("%s: %s has %s", path, id, text)
				}
			}
			return len(all) == 3 && with == 2
		})
	}
}

// testTaskCredentials asks for credentials by the ids that the status shows to this machine.
func testTaskCredentials(t *testing.T, w *containerWorld, web, db netns, webID string) {
	var s api.Status
	_, body := fetch(t, w.daemon.url+"status")
	if err := json.Unmarshal([]byte(body), &s); err != nil || s.ECS == nil {
		t.Fatalf("%v in %s", err, body)
	}
	id := ""
	for _, c := range s.ECS.Containers {
		if c.ContainerID == webID {
			id = c.CredentialsID
		}
	}
	status, document := web.ask(t, w.url+"v2/credentials/"+id)
	if status != http.StatusOK || !strings.HasPrefix(document, `{"RoleArn":"`+arnOf("web")+`",`) {
		t.Errorf("%d %s", status, document)
	}
	for name, n := range map[string]netns{"another container of the task": db} {
		if status, body := n.ask(t, w.url+"v2/credentials/"+id); status != http.StatusBadRequest || body != invalidID {
			t.Errorf("%s gets %d %s", name, status, body)
		}
	}
	for name, n := range map[string]netns{"web": web, "db": db} {
		if _, body := n.ask(t, w.url+"status"); strings.Contains(body, id) || strings.Contains(body, `"ecs"`) {
			t.Errorf("the status tells %s of ids: %s", name, body)
		}
	}
	w.daemon.waitFor(t, `"path":"/v2/credentials/…","status":400`)
	if lines := w.daemon.logLines(id); len(lines) > 0 {
		t.Errorf("the log has the id: %q", lines)
	}
}
