package app

import (
	"regexp"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/caller"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/testutil"
)

// derived are values of task metadata that the daemon makes up.
var derived = regexp.MustCompile(`[0-9a-f]{64}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|(/|vpc-|web-|self-)[0-9a-f]{16,32}`)

// The configuration decides each key that is not derived; the order is that of container-credentials-reference sections 4.2 and 4.3.
func TestECS_MetadataIsThatOfTheConfiguration(t *testing.T) {
	const base = "credentials: {mock: true, iam_role: 'arn:aws:iam::123456789012:role/base'}\n"
	const ec2 = base + `
ecs:
  task: {cluster: prod, family: shop, revision: "7", service_name: svc, tags: {team: red}, instance_tags: {Name: host}}
  containers: {web-1: {name: web, image: 'shop/web:1', docker_id: given, labels: {tier: front}}}
`
	const (
		arn  = `arn:aws:ecs:us-east-1:123456789012:task/prod*`
		task = `{"Cluster":"prod","TaskARN":"` + arn + `","Family":"shop","Revision":"7","DesiredStatus":"RUNNING","KnownStatus":"RUNNING",`
		tags = `"TaskTags":{"team":"red"},"ContainerInstanceTags":{"Name":"host"},`
		ends = `"VPCID":"*","ServiceName":"svc","FaultInjectionEnabled":false,"AvailabilityZoneID":"use1-az1"}`
		own  = `"Labels":{"com.amazonaws.ecs.cluster":"prod","com.amazonaws.ecs.container-name":"NAME","com.amazonaws.ecs.task-arn":"` + arn +
			`","com.amazonaws.ecs.task-definition-family":"shop","com.amazonaws.ecs.task-definition-version":"7"`
		state    = `},"DesiredStatus":"RUNNING","KnownStatus":"RUNNING","Limits":{"CPU":2,"Memory":0},"Type":"NORMAL",`
		named    = `"ContainerARN":"arn:aws:ecs:us-east-1:123456789012:container/prod*/*",`
		networks = `"Networks":[{"NetworkMode":"bridge","IPv4Addresses":["10.0.0.10"]}]}`
		web      = `{"DockerId":"given","Name":"web","DockerName":"ecs-shop-7-*","Image":"shop/web:1","ImageID":"sha256:*",` + own + `,"tier":"front"` + state
		self     = `{"DockerId":"*","Name":"self","DockerName":"ecs-shop-7-*","Image":"self:latest","ImageID":"sha256:*",` + own + state
	)
	fargate := strings.NewReplacer("/prod", "/local", "shop-7", "task-1", `:"prod"`, `:"local"`, `:"shop"`, `:"task"`, `:"7"`, `:"1"`)
	zone := `"AvailabilityZone":"us-east-1a"`
	for _, tt := range []struct{ name, configuration, path, want string }{
		{"task", ec2, "/v4/web-1/task", task + zone + `,"LaunchType":"EC2","Containers":[` + strings.Replace(web, "NAME", "web", 1) + named + networks + "]," + ends},
		{"with tags", ec2, "/v4/SELF/taskWithTags", task + zone + "," + tags + `"LaunchType":"EC2","Containers":[` + strings.Replace(self, "NAME", "self", 1) + named + networks + "]," + ends},
		{"version 3", ec2, "/v3/web-1/taskWithTags", task + `"Containers":[` + strings.Replace(web, "NAME", "web", 1) + networks + "]," + zone + "," + strings.TrimSuffix(tags, ",") + "}"},
		{"container", ec2, "/v4/web-1", strings.Replace(web, "NAME", "web", 1) + named + networks},
		{"container of version 2", ec2, "/v2/metadata/given", strings.Replace(web, "NAME", "web", 1) + networks},
		{"statistics", ec2, "/v4/web-1/task/stats", `{"given":{}}`},
		{"statistics of version 3", ec2, "/v3/web-1/task/stats", `{"given":null}`},
		{
			"Fargate", base + "ecs: {task: {launch_type: FARGATE}}\nec2: {mac: '06:00:00:00:00:01'}\n", "/v4/SELF/task",
			fargate.Replace(task + zone + `,"LaunchType":"FARGATE","Containers":[` + strings.Replace(self, "NAME", "self", 1) + named +
				`"Networks":[{"NetworkMode":"awsvpc","IPv4Addresses":["10.0.0.10"],"AttachmentIndex":0,"MACAddress":"06:00:00:00:00:01","IPv4SubnetCIDRBlock":"10.0.0.0/20"}]}],` +
				`"FaultInjectionEnabled":false,"AvailabilityZoneID":"use1-az1"}`),
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u := many(t, tt.configuration)
			path := strings.Replace(tt.path, "SELF", u.Status().ECS.Containers[0].EndpointID, 1)
			if code, body := u.answer(path, "127.0.0.1:1"); code != 200 || derived.ReplaceAllString(body, "*") != tt.want {
				t.Errorf("%d\n%s, want\n%s", code, derived.ReplaceAllString(body, "*"), tt.want)
			}
		})
	}
}

// The label of a container decides by path, too: neither an entry of clients nor the Authorization gives it another role.
func TestECS_ByPathGivesAContainerTheRoleOfItsLabelOnly(t *testing.T) {
	testutil.IsolateHome(t)
	testutil.Write(t, "conf/config.yaml", withContainers+"ecs: {by_path: true, authorization: s3cret}\n")
	e := &engine{workloads: map[string]*caller.Workload{}}
	opt := options(load(t, ""))
	opt.Containers = func(config.Containers) (Locator, error) { return e, nil }
	u := newUnserved(t, opt)
	u.begin(t)
	e.put("172.20.0.2", "web") // an entry gives its address jobs
	e.put("172.18.0.2", "web") // no entry is for it
	e.put("172.20.0.3", "secret")
	e.put("172.20.0.4", "none")
	const page, role = "404 page not found", "arn:aws:iam::123456789012:role/"
	for _, tt := range []struct {
		path, from string
		status     int
		want       string
	}{
		{"/creds", "172.20.0.2:1", 200, role + "web"},
		{"/role/web", "172.20.0.2:1", 200, role + "web"},
		{"/role-arn/" + role + "web/", "172.20.0.2:1", 200, role + "web"},
		{"/role/jobs", "172.20.0.2:1", 404, page},
		{"/role-arn/" + role + "jobs", "172.20.0.2:1", 404, page},
		{"/role/web", "172.18.0.2:1", 200, role + "web"},
		{"/role/jobs", "172.18.0.2:1", 404, page},
		{"/creds", "172.20.0.3:1", 403, `{"code":"AccessDenied","message":"label r names the role \"secret\", which containers.allow does not permit; add it there","HTTPErrorCode":403}`},
		{"/role/jobs", "172.20.0.3:1", 404, page},
		{"/creds", "172.20.0.4:1", 404, page},
		{"/creds", "172.20.0.9:1", 503, `{"code":"CredentialsUninitialized","message":"Credentials uninitialized","HTTPErrorCode":503}`}, // the engine does not know it
	} {
		t.Run(tt.path+" from "+tt.from, func(t *testing.T) {
			if code, got := u.answer(tt.path, tt.from, "Authorization", "s3cret"); code != tt.status || got != tt.want {
				t.Errorf("%d %s, want %d %s", code, got, tt.status, tt.want)
			}
		})
	}
}
