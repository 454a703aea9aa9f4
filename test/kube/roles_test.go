//go:build kube && linux

package kube

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

// manifest are objects for one namespace as users of the peers have them, with an image that the tests' node has.
func (p *product) manifest(t *testing.T, namespace, text string) {
	t.Helper()
	text = strings.NewReplacer("IMAGE", busybox+"\n          imagePullPolicy: Never", "ACCOUNT", account).Replace(text)
	if r := p.tryKubectl(t, text, "apply", "-n", namespace, "-f", "-"); r.code != 0 {
		t.Fatalf("kubectl apply: exit %d\n%s%s\n%s", r.code, r.stdout, r.stderr, text)
	}
}

// podOf waits for the only pod with a label that is ready.
func (p *product) podOf(t *testing.T, namespace, label string) (found pod) {
	t.Helper()
	testutil.EventuallyWithin(t, time.Minute, "pod with "+label, func() bool {
		var list struct{ Items []pod }
		p.api.do(t, http.MethodGet, "/api/v1/namespaces/"+namespace+"/pods?labelSelector="+url.QueryEscape(label), nil, &list)
		if len(list.Items) == 1 {
			found = list.Items[0]
		}
		return found.ready()
	})
	return found
}

func TestRoles_ManifestsOfKube2iamWorkUnchanged(t *testing.T) {
	p := withConfig(t, "main")
	p.addRole(t, "app-name")
	p.addRole(t, "team/app-path")
	p.addRole(t, "app-arn", stsfake.ExternalID("external-id"))
	ns := p.namespace(t, nil)
	p.manifest(t, ns, `
apiVersion: v1
kind: Pod
metadata:
  name: aws-cli
  labels: {name: aws-cli}
  annotations:
    iam.amazonaws.com/role: arn:aws:iam::ACCOUNT:role/app-arn
    iam.amazonaws.com/external-id: external-id
spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: aws-cli
          image: IMAGE
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: nginx-deployment}
spec:
  replicas: 1
  selector: {matchLabels: {app: nginx}}
  template:
    metadata:
      annotations: {iam.amazonaws.com/role: app-name}
      labels: {app: nginx}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: nginx
          image: IMAGE
---
apiVersion: batch/v1
kind: Job
metadata: {name: my-job}
spec:
  template:
    metadata:
      annotations: {iam.amazonaws.com/role: team/app-path}
      labels: {app: job}
    spec:
      restartPolicy: OnFailure
      terminationGracePeriodSeconds: 1
      containers:
        - name: job
          image: IMAGE
`)
	for label, role := range map[string]string{"name=aws-cli": "app-arn", "app=nginx": "app-name", "app=job": "team/app-path"} {
		p.wantGets(t, p.ofPod(t, p.podOf(t, ns, label)), role)
	}
}

func TestRoles_ServiceAccountOfIRSAGivesItsPodsTheRoleAndThePodsAnnotationWins(t *testing.T) {
	p := withConfig(t, "main")
	p.addRole(t, "app-irsa")
	p.addRole(t, "app-of-pod")
	ns := p.namespace(t, map[string]string{"iam.amazonaws.com/role": "app-of-namespace"})
	p.manifest(t, ns, `
apiVersion: v1
kind: ServiceAccount
metadata:
  name: my-service-account
  annotations:
    eks.amazonaws.com/role-arn: arn:aws:iam::ACCOUNT:role/app-irsa
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: my-app}
spec:
  selector: {matchLabels: {app: my-app}}
  template:
    metadata: {labels: {app: my-app}}
    spec:
      serviceAccountName: my-service-account
      terminationGracePeriodSeconds: 1
      containers:
        - name: my-app
          image: IMAGE
`)
	p.wantGets(t, p.ofPod(t, p.podOf(t, ns, "app=my-app")), "app-irsa")
	spec := annotated("app-of-pod")
	spec.serviceAccount = "my-service-account"
	p.wantGets(t, p.ofPod(t, p.runPod(t, ns, "other", spec)), "app-of-pod")
}

func TestRoles_ServiceAccountOfTheRulesGivesItsPodsTheRole(t *testing.T) {
	p := withConfig(t, "main")
	ns := p.newNamespace(t, "shop", nil)
	p.manifest(t, ns, "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: checkout}\n")
	p.manifest(t, ns, "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: web}\n")
	p.wantGets(t, p.ofPod(t, p.runPod(t, ns, "client", podSpec{serviceAccount: "checkout"})), "app-account")

	t.Run("PodIdentityGivesTheAssociation", func(t *testing.T) { p.wantPodIdentity(t, ns, "web", "app-associated") })
	t.Run("PodIdentityGivesTheRoleOfTheRules", func(t *testing.T) { p.wantPodIdentity(t, ns, "checkout", "app-account") })
	t.Run("PodIdentityRefusesATokenOfAnotherAudience", func(t *testing.T) {
		m, token := p.tokenOf(t, ns, "wrong", podSpec{serviceAccount: "web", audience: "sts.amazonaws.com"})
		if got := m.get(t, podIdentity, "Authorization", token); got.status < http.StatusBadRequest {
			t.Errorf("status %d", got.status)
		}
	})
}

// podIdentity is where SDKs ask in pods of EKS Pod Identity.
const podIdentity = "http://169.254.170.23/v1/credentials"

// tokenOf makes a pod and returns it as a machine, and the token that is mounted into it.
func (p *product) tokenOf(t *testing.T, namespace, name string, spec podSpec) (machine, string) {
	t.Helper()
	made := p.runPod(t, namespace, name, spec)
	return p.ofPod(t, made), strings.TrimSpace(p.exec(t, namespace, name, "cat", "/token/token"))
}

// wantPodIdentity checks that a pod of a service account gets credentials of a role by its token.
func (p *product) wantPodIdentity(t *testing.T, namespace, serviceAccount, role string) {
	t.Helper()
	m, token := p.tokenOf(t, namespace, "token-"+serviceAccount, podSpec{serviceAccount: serviceAccount, audience: "pods.eks.amazonaws.com"})
	body := m.get(t, podIdentity, "Authorization", token).want(t, http.StatusOK)
	var document map[string]string
	if err := json.Unmarshal([]byte(body), &document); err != nil {
		t.Fatal(err)
	}
	document["Code"] = "Success" // this service has no codes
	text, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	p.laptop.wantRole(t, string(text), role)
}

// events are the messages of Events of a pod.
func (p *product) events(t *testing.T, made pod) []string {
	t.Helper()
	var list struct {
		Items []struct {
			Type, Reason, Message string
			Source                struct{ Component string }
			ReportingComponent    string
		}
	}
	p.api.do(t, http.MethodGet, "/api/v1/namespaces/"+made.Metadata.Namespace+"/events?fieldSelector=involvedObject.uid%3D"+made.Metadata.UID, nil, &list)
	var all []string
	for _, e := range list.Items {
		if strings.Contains(e.Source.Component+e.ReportingComponent, "mock-ec2-metadata") {
			all = append(all, e.Type+" "+e.Reason+": "+e.Message)
		}
	}
	return all
}

func TestRoles_RefusedRoleIsToldByCodeAndOneEventWithoutAnSTSCall(t *testing.T) {
	p := withConfig(t, "main")
	made, m := p.client(t, annotated("admin"))
	if got := m.get(t, rolesPath).want(t, http.StatusOK); got != "admin" {
		t.Errorf("the role is %q", got)
	}
	for range 3 {
		if code, message := code(t, m.get(t, rolesPath+"admin").want(t, http.StatusOK)); code == "Success" || !strings.Contains(message, "does not allow") {
			t.Errorf("Code %q, Message %q", code, message)
		}
	}
	testutil.EventuallyWithin(t, 10*time.Second, "Event", func() bool { return len(p.events(t, made)) > 0 })
	if all := p.events(t, made); len(all) != 1 || !strings.Contains(all[0], "does not allow") {
		t.Errorf("Events are %q", all)
	}
	if n := p.calls("admin"); n != 0 {
		t.Errorf("%d STS calls", n)
	}
	if r := p.do(t, "status"); !strings.Contains(r.stdout, "does not allow") {
		t.Errorf("status does not say who is refused:\n%s", r.stdout)
	}
}

func TestRoles_PodsOfOneRoleWithOtherExternalIDsShareNothing(t *testing.T) {
	p := withConfig(t, "main")
	p.addRole(t, "app-external", stsfake.ExternalID("right"))
	ns := p.namespace(t, nil)
	machines := map[string]machine{}
	for _, id := range []string{"right", "wrong"} {
		spec := annotated("app-external")
		spec.annotations["iam.amazonaws.com/external-id"] = id
		machines[id] = p.ofPod(t, p.runPod(t, ns, id, spec))
	}
	p.wantGets(t, machines["right"], "app-external")
	if code, _ := code(t, machines["wrong"].get(t, rolesPath+"app-external").want(t, http.StatusOK)); code == "Success" {
		t.Error("the pod with the wrong external id got credentials")
	}
}

func TestNamespaces_PermittedAndSessionNameActAsInKiam(t *testing.T) {
	p := withConfig(t, "namespaces")
	p.addRole(t, "reportingdb-reader")
	p.addRole(t, "other-reader")
	ns := p.namespace(t, map[string]string{"iam.amazonaws.com/permitted": "reportingdb-.*"})
	p.manifest(t, ns, `
apiVersion: v1
kind: Pod
metadata:
  name: foo
  labels: {app: foo}
  annotations:
    iam.amazonaws.com/role: reportingdb-reader
    iam.amazonaws.com/session-name: my-session-name
spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: foo
          image: IMAGE
`)
	p.wantGets(t, p.ofPod(t, p.podOf(t, ns, "app=foo")), "reportingdb-reader")
	for _, r := range p.laptop.sts.Requests() {
		if r.Form.Get("RoleArn") == roleARN("reportingdb-reader") && r.Form.Get("RoleSessionName") != "my-session-name" {
			t.Errorf("the session is named %q", r.Form.Get("RoleSessionName"))
		}
	}
	for what, where := range map[string]string{"another role": ns, "a namespace without the annotation": p.namespace(t, nil)} {
		spec := annotated("other-reader")
		if where != ns {
			spec = annotated("reportingdb-reader")
		}
		m := p.ofPod(t, p.runPod(t, where, "refused", spec))
		name := m.get(t, rolesPath).want(t, http.StatusOK)
		if code, message := code(t, m.get(t, rolesPath+name).want(t, http.StatusOK)); code == "Success" {
			t.Errorf("%s: Code %q, Message %q", what, code, message)
		}
	}
	if n := p.calls("other-reader"); n != 0 {
		t.Errorf("%d STS calls for a role that is not permitted", n)
	}
}
