package ecs

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/caller"
)

// ecsLabels are the labels of ECS, of a container of testTask.
func ecsLabels(name string) string {
	return `"com.amazonaws.ecs.cluster":"local","com.amazonaws.ecs.container-name":"` + name + `","com.amazonaws.ecs.task-arn":"` + testTask().ARN +
		`","com.amazonaws.ecs.task-definition-family":"shop","com.amazonaws.ecs.task-definition-version":"7"`
}

// containerARN is derived, and so it is read from a document.
func containerARN(t *testing.T, body string) string {
	t.Helper()
	_, rest, _ := strings.Cut(body, `"ContainerARN":"`)
	arn, _, _ := strings.Cut(rest, `"`)
	const prefix = "arn:aws:ecs:us-east-1:123456789012:container/local/8f6b2c4d9e0a4f7b9c1d2e3f4a5b6c7d/"
	if id, ok := strings.CutPrefix(arn, prefix); !ok || !isID(id) {
		t.Errorf("ContainerARN %q", arn)
	}
	return arn
}

// Parts of the document of the container web.
var (
	webBegin = `{"DockerId":"` + idWeb + `","Name":"web","DockerName":"shop-web-1","Image":"shop/web:1","ImageID":"sha256:1",`
	webMid   = `"Labels":{"a":"\u003cb\u003e",` + ecsLabels("web") + `},"DesiredStatus":"RUNNING","KnownStatus":"RUNNING","Limits":{"CPU":256,"Memory":512},` +
		`"CreatedAt":"` + epochText + `","StartedAt":"2026-01-02T03:04:06.000000006Z","Type":"NORMAL",`
	webTail = `"Health":{"status":"HEALTHY","statusSince":"` + epochText + `","output":"ok"},` +
		`"Volumes":[{"DockerName":"data","Source":"/var/lib/v","Destination":"/data"},{"Source":"/x","Destination":"/y"}]`
	webLog     = `,"LogDriver":"json-file","LogOptions":{"max-size":"1m"},"ContainerARN":"`
	webPortsV4 = `"Ports":[{"ContainerPort":80,"Protocol":"tcp","HostPort":32768,"HostIp":"0.0.0.0"},{"ContainerPort":81,"Protocol":"udp"}],`
	webPortsV3 = `"Ports":[{"ContainerPort":80,"Protocol":"tcp","HostPort":32768},{"ContainerPort":81,"Protocol":"udp"}],`
	webBridge  = `"Networks":[{"NetworkMode":"bridge","IPv4Addresses":["172.20.0.2"],"IPv6Addresses":["fd00::2"]},` +
		`{"NetworkMode":"bridge","IPv4Addresses":["172.21.0.2"]}]`
)

func TestDocument_ContainerOfVersionFour(t *testing.T) {
	rec := get(newMetadata(sample(), nil), Asker{}, "/v4/"+endpointOf(idWeb))
	wantJSON(t, rec, http.StatusOK,
		webBegin+webPortsV4+webMid+webTail+webLog+containerARN(t, rec.Body.String())+`",`+webBridge+`,"RestartCount":0}`)
}

func TestDocument_ContainerOfVersionsTwoAndThree(t *testing.T) {
	m := newMetadata(sample(), nil)
	want := webBegin + webPortsV3 + webMid + webBridge + "," + webTail + "}"
	wantJSON(t, get(m, Asker{}, "/v3/"+endpointOf(idWeb)), http.StatusOK, want)
	wantJSON(t, get(m, container(idDB), "/v2/metadata/"+idWeb), http.StatusOK, want)
	wantJSON(t, get(m, local, "/v2/metadata/"+idWeb), http.StatusOK, want)
}

func TestDocument_ContainerOnFargateHasNetworksOfAWSVPC(t *testing.T) {
	m := newMetadata(sample(), func(o *MetadataOptions) { o.Task.LaunchType = "FARGATE" })
	const ports = `"Ports":[{"ContainerPort":80,"Protocol":"tcp","HostPort":80,"HostIp":"0.0.0.0"},{"ContainerPort":81,"Protocol":"udp","HostPort":81}],`
	const networks = `"Networks":[{"NetworkMode":"awsvpc","IPv4Addresses":["172.20.0.2"],"IPv6Addresses":["fd00::2"],"AttachmentIndex":0,` +
		`"MACAddress":"02:42:ac:14:00:02","IPv4SubnetCIDRBlock":"172.20.0.0/16","IPv6SubnetCIDRBlock":"fd00::/64",` +
		`"SubnetGatewayIpv4Address":"172.20.0.1/16","SubnetGatewayIpv6Address":"fd00::1/64"},` +
		`{"NetworkMode":"awsvpc","IPv4Addresses":["172.21.0.2"],"AttachmentIndex":1}]`
	rec := get(m, Asker{}, "/v4/"+endpointOf(idWeb))
	wantJSON(t, rec, http.StatusOK, webBegin+ports+webMid+webTail+webLog+containerARN(t, rec.Body.String())+`",`+networks+`,"RestartCount":0}`)

	old := strings.ReplaceAll(webBridge, "bridge", "awsvpc")
	wantJSON(t, get(m, Asker{}, "/v3/"+endpointOf(idWeb)), http.StatusOK,
		webBegin+strings.ReplaceAll(ports, `,"HostIp":"0.0.0.0"`, "")+webMid+old+","+webTail+"}")
}

// bare is the document of version 3 of a container about which the engine tells little.
func bare(id, name, dockerName, image, number, known, exit, cpu, times string) string {
	desired := known
	if known == created {
		desired = running
	}
	return `{"DockerId":"` + id + `","Name":"` + name + `","DockerName":"` + dockerName + `","Image":"` + image + `","ImageID":"sha256:` + number +
		`","Labels":{` + ecsLabels(name) + `},"DesiredStatus":"` + desired + `","KnownStatus":"` + known + `",` + exit + `"Limits":{"CPU":` + cpu + `,"Memory":0},` +
		times + `"Type":"NORMAL"}`
}

func TestDocument_Task(t *testing.T) {
	m := newMetadata(sample(), nil)
	const (
		head  = `{"Cluster":"local","TaskARN":"arn:aws:ecs:us-east-1:123456789012:task/local/8f6b2c4d9e0a4f7b9c1d2e3f4a5b6c7d","Family":"shop","Revision":"7","DesiredStatus":"RUNNING","KnownStatus":"RUNNING",`
		zone  = `"AvailabilityZone":"us-east-1a"`
		tags  = `,"TaskTags":{"team":"red"},"ContainerInstanceTags":{"Name":"host"}`
		after = `,"VPCID":"vpc-0a1b2c3d4e5f60718","ServiceName":"svc","FaultInjectionEnabled":false,"AvailabilityZoneID":"use1-az4"}`
	)
	old := webBegin + webPortsV3 + webMid + webBridge + "," + webTail + "}," +
		bare(idDB, "db", "shop-db-1", "db", "2", running, "", "1536", "") + "," +
		bare(idJob, "job", "shop-job-1", "job", "3", stopped, `"ExitCode":3,`, "2", `"FinishedAt":"2026-01-02T03:05:05.000000006Z",`)
	id := endpointOf(idDB)
	wantJSON(t, get(m, Asker{}, "/v3/"+id+"/task"), http.StatusOK, head+`"Containers":[`+old+`],`+zone+"}")
	wantJSON(t, get(m, Asker{}, "/v3/"+id+"/taskWithTags"), http.StatusOK, head+`"Containers":[`+old+`],`+zone+tags+"}")
	wantJSON(t, get(m, container(idWeb), "/v2/metadata"), http.StatusOK, head+`"Containers":[`+old+`],`+zone+"}")
	wantJSON(t, get(m, container(idWeb), "/v2/metadataWithTags"), http.StatusOK, head+`"Containers":[`+old+`],`+zone+tags+"}")

	var containers []string
	for _, c := range []string{idWeb, idDB} {
		containers = append(containers, get(m, Asker{}, "/v4/"+endpointOf(c)).Body.String())
	}
	containers = append(containers, jobV4(t, m))
	list := `"LaunchType":"EC2","Containers":[` + strings.Join(containers, ",") + "]"
	wantJSON(t, get(m, Asker{}, "/v4/"+id+"/task"), http.StatusOK, head+zone+","+list+after)
	wantJSON(t, get(m, Asker{}, "/v4/"+id+"/taskWithTags"), http.StatusOK, head+zone+tags+","+list+after)
}

// jobV4 is the document of a container that has ended. Only its task shows it.
func jobV4(t *testing.T, m *Metadata) string {
	t.Helper()
	body := get(m, Asker{}, "/v4/"+endpointOf(idDB)+"/task").Body.String()
	_, rest, _ := strings.Cut(body, `"DockerId":"`+idJob)
	before, _, _ := strings.Cut(rest, `"}]`)
	return strings.TrimSuffix(bare(idJob, "job", "shop-job-1", "job", "3", stopped, `"ExitCode":3,`, "2", `"FinishedAt":"2026-01-02T03:05:05.000000006Z",`), "}") +
		`,"ContainerARN":"` + containerARN(t, before+`"`) + `"}`
}

func TestDocument_LeavesOutWhatIsNotThere(t *testing.T) {
	m := newMetadata(&engine{containers: []*caller.Container{{ID: idLone, Name: "lone", Status: "restarting", Labels: map[string]string{}}}}, func(o *MetadataOptions) {
		o.Task = Task{Cluster: "local", Family: "task", Revision: "1", Partition: "aws", Region: "r", AccountID: "1", Tags: map[string]string{}}
	})
	id := endpointOf(idLone)
	rec := get(m, Asker{}, "/v4/"+id+"/taskWithTags")
	body := rec.Body.String()
	for _, part := range []string{
		"null", "LaunchType", "VPCID", "ServiceName", "TaskTags", "ContainerInstanceTags", "AvailabilityZone", "Networks", "Health", "Ports", "Volumes",
		"ExitCode", "At\"", "LogDriver", "LogOptions", "RestartCount",
	} {
		if strings.Contains(body, part) {
			t.Errorf("it has %s: %s", part, body)
		}
	}
	for _, part := range []string{`"Image":"","ImageID":""`, `"Limits":{"CPU":2,"Memory":0}`, `"Type":"NORMAL"`, `"Revision":"1"`, `"FaultInjectionEnabled":false`} {
		if !strings.Contains(body, part) {
			t.Errorf("it has no %s: %s", part, body)
		}
	}
}

func TestDocument_StatusFollowsTheEngine(t *testing.T) {
	for _, tt := range []struct {
		words                string
		known, task, desired string
	}{
		{"created", created, created, running},
		{"running", running, running, running},
		{"paused", running, running, running},
		{"restarting", running, running, running},
		{"removing", stopped, stopped, stopped},
		{"exited", stopped, stopped, stopped},
		{"dead", stopped, stopped, stopped},
		{"stopped", stopped, stopped, stopped},
		{"exited created", stopped, created, running},
		{"exited running created", stopped, running, running},
		{"created exited", created, created, running},
		{"exited exited", stopped, stopped, stopped},
	} {
		t.Run(tt.words, func(t *testing.T) {
			task := testTask()
			var all []containerV4
			for word := range strings.FieldsSeq(tt.words) {
				all = append(all, task.container(task.ARN, &caller.Container{Status: word, Finished: epoch()}))
			}
			d := task.document(task.ARN, all, false)
			if all[0].KnownStatus != tt.known || d.KnownStatus != tt.task || d.DesiredStatus != tt.desired {
				t.Errorf("container %s, task %s, desired %s", all[0].KnownStatus, d.KnownStatus, d.DesiredStatus)
			}
			if ended := !d.ExecutionStoppedAt.IsZero(); ended != (tt.task == stopped) {
				t.Errorf("ExecutionStoppedAt %v", d.ExecutionStoppedAt)
			}
		})
	}
}

func TestDocument_ExitCodeIsOfWhatHasEnded(t *testing.T) {
	zero, task := 0, testTask()
	for word, want := range map[string]*int{"running": nil, "created": nil, "exited": &zero} {
		if d := task.container("", &caller.Container{Status: word, ExitCode: &zero}); d.ExitCode != want {
			t.Errorf("%s: %v", word, d.ExitCode)
		}
	}
}

func TestDocument_LeavesTheLabelsOfOthersAlone(t *testing.T) {
	labels, task := map[string]string{"a": "b"}, testTask()
	d := task.container("", &caller.Container{Labels: labels})
	if len(labels) != 1 || len(d.Labels) != 6 {
		t.Errorf("given %v, shown %v", labels, d.Labels)
	}
}

func TestDocument_HealthIsLeftOutWhileItIsNotKnown(t *testing.T) {
	for word, want := range map[string]string{"starting": "", "healthy": "HEALTHY", "unhealthy": "UNHEALTHY", "none": "", "": ""} {
		task := testTask()
		d := task.container("", &caller.Container{Health: &caller.Health{Status: word, ExitCode: 1}})
		if d.Health.Status != want || d.Health.ExitCode != 1 {
			t.Errorf("%q: %+v", word, *d.Health)
		}
	}
}

func TestDocument_DerivesWhatAFixedEntryLeavesOut(t *testing.T) {
	edit := func(o *MetadataOptions) {
		o.Fixed = []Fixed{{ID: "one", Name: "app", Image: "i:2", DockerID: "given", Labels: map[string]string{"role": "web"}}}
	}
	m := newMetadata(nil, edit)
	rec := get(m, Asker{}, "/v4/one")
	var d containerV4
	if err := json.Unmarshal(rec.Body.Bytes(), &d); err != nil {
		t.Fatal(err)
	}
	imageID := d.ImageID
	if len(imageID) != len("sha256:")+64 || !isDockerID(strings.TrimPrefix(imageID, "sha256:")) {
		t.Errorf("ImageID %q", imageID)
	}
	if !strings.HasPrefix(d.DockerName, "ecs-shop-7-app-") || len(d.DockerName) != len("ecs-shop-7-app-")+16 {
		t.Errorf("DockerName %q", d.DockerName)
	}
	wantJSON(t, rec, http.StatusOK, `{"DockerId":"given","Name":"app","DockerName":"`+d.DockerName+`","Image":"i:2","ImageID":"`+imageID+`","Labels":{`+
		ecsLabels("app")+`,"role":"web"},"DesiredStatus":"RUNNING","KnownStatus":"RUNNING","Limits":{"CPU":2,"Memory":0},"Type":"NORMAL","ContainerARN":"`+
		containerARN(t, rec.Body.String())+`","Networks":[{"NetworkMode":"bridge","IPv4Addresses":["10.0.0.5"]}]}`)
	self := "/v4/" + endpointOf(testTask().InstanceID)
	first := get(m, local, self).Body.String()
	if !strings.Contains(first, `"Name":"self"`) || strings.Contains(first, `"DockerId":""`) {
		t.Errorf("self: %s", first)
	}
	if again := get(newMetadata(nil, edit), Asker{}, self).Body.String(); again != first {
		t.Errorf("after a restart: %s", again)
	}
	fargate := newMetadata(nil, func(o *MetadataOptions) { o.Task.LaunchType = "FARGATE" })
	const network = `"Networks":[{"NetworkMode":"awsvpc","IPv4Addresses":["10.0.0.5"],"AttachmentIndex":0,"MACAddress":"02:00:00:00:00:01",` +
		`"IPv4SubnetCIDRBlock":"10.0.0.0/24","SubnetGatewayIpv4Address":"10.0.0.1/24"}]`
	if body := get(fargate, local, self+"/task").Body.String(); !strings.Contains(body, network) || strings.Contains(body, "VPCID") {
		t.Errorf("Fargate: %s", body)
	}
}

func TestDocument_HoldsNothingAboutCredentials(t *testing.T) {
	m := newMetadata(sample(), func(o *MetadataOptions) { o.Fixed = []Fixed{{ID: "one", Name: "app"}} })
	var all bytes.Buffer
	for _, id := range []string{endpointOf(idWeb), endpointOf(idLone), endpointOf(testTask().InstanceID), "one"} {
		for _, path := range []string{"/v3/", "/v4/"} {
			for _, rest := range []string{"", "/task", "/taskWithTags", "/stats", "/task/stats"} {
				all.Write(get(m, local, path+id+rest).Body.Bytes())
			}
		}
	}
	all.Write(get(m, container(idWeb), "/v2/metadataWithTags").Body.Bytes())
	for _, secret := range []string{ID([]byte(testKey), "", idWeb), ID([]byte(testKey), "web", idWeb), "redential", "169.254", "/v2/", testKey, endpointOf(idWeb)} {
		if strings.Contains(all.String(), secret) {
			t.Errorf("%q is shown", secret)
		}
	}
}
