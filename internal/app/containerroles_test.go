package app

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Each asks in one of the ways to its role, and all at once.
func TestContainers_AHundredFirstRequestsOfTwoRolesAreTwoCalls(t *testing.T) {
	u, sts := realMany(t, withPods+"clients: [{from: 10.1.1.1, role: web}, {from: 10.1.1.2, role: jobs}]\n")
	id := map[string]string{"web": u.id(t, "web"), "jobs": u.id(t, "jobs")}
	address := map[string]string{"web": "10.1.1.1:1", "jobs": "10.1.1.2:1"}
	var all sync.WaitGroup
	for i := range 100 {
		role := []string{"web", "jobs"}[i%2]
		token := u.podToken(t, "shop", role, fmt.Sprint("pod-", i))
		all.Go(func() {
			switch i / 2 % 3 {
			case 0:
				if code, got := u.answer("/v2/credentials/"+id[role], "172.20.0.2:1"); code != http.StatusOK || got != "arn:aws:iam::123456789012:role/"+role {
					t.Errorf("by id: %d %s", code, got)
				}
			case 1:
				code, d, body := u.pod(t, token)
				if code != http.StatusOK || sts.Principal(d.AccessKeyId) != "arn:aws:iam::123456789012:role/"+role {
					t.Errorf("a pod: %d %s", code, body)
				}
			default:
				if got := u.from(address[role], rolesPath+role); !strings.Contains(got, `"Code" : "Success"`) {
					t.Errorf("by the metadata service: %s", got)
				}
			}
		})
	}
	all.Wait()
	if got := roles(sts); !slices.Equal(got, []string{"jobs", "myrole", "web"}) {
		t.Errorf("STS was asked for %q", got)
	}
}

func TestReload_ChangedRoleMakesNoCallForOthers(t *testing.T) {
	u, sts := realMany(t, twoRoles)
	web, jobs := u.id(t, "web"), u.id(t, "jobs")
	bodies := func() (ofWeb, ofJobs string) {
		return u.ask("/v2/credentials/" + web).Body.String(), u.ask("/v2/credentials/" + jobs).Body.String()
	}
	oldWeb, oldJobs := bodies()
	before := len(roles(sts))
	if err := u.reload(t, strings.Replace(twoRoles, "role/web'}", "role/web', session_tags: {team: red}}", 1)); err != nil {
		t.Fatal(err)
	}
	newWeb, newJobs := bodies()
	if newWeb == oldWeb || !strings.HasPrefix(newWeb, `{"RoleArn":"arn:aws:iam::123456789012:role/web",`) {
		t.Errorf("the changed role has %.60s", newWeb)
	}
	if newJobs != oldJobs || !strings.HasPrefix(newJobs, `{"RoleArn":"arn:aws:iam::123456789012:role/jobs",`) {
		t.Errorf("the other role has %.60s", newJobs)
	}
	if n := len(roles(sts)) - before; n != 1 {
		t.Errorf("%d calls of STS", n)
	}
}
