package importer

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"unicode/utf16"
)

const oneInstance = `{"InstanceId": "i-0123456789abcdef0", "Tags": [{"Key": "Name", "Value": "Zürich 🚀"}]}`

// written returns the configuration of inputs.
func written(t testing.TB, opt Options, contents ...string) (string, error) {
	t.Helper()
	var inputs []Input
	for _, content := range contents {
		inputs = append(inputs, Input{"in.json", []byte(content)})
	}
	if opt.BasePort == 0 {
		opt.BasePort = 5001
	}
	r, err := Read(inputs, opt)
	if err != nil {
		return "", err
	}
	document, err := r.Merge(opt)
	if err != nil {
		return "", err
	}
	text, err := YAML(r.Source, document)
	return string(text), err
}

// utf16Text encodes a text as PowerShell does, with or without a mark.
func utf16Text(order binary.AppendByteOrder, text string) string {
	var out []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		out = order.AppendUint16(out, unit)
	}
	return string(out)
}

func TestRead_AcceptsEncodings(t *testing.T) {
	want, err := written(t, Options{}, oneInstance)
	if err != nil || !strings.Contains(want, `Name: "Zürich \U0001F680"`) {
		t.Fatal(err, want)
	}
	for name, content := range map[string]string{
		"UTF-8 with a mark":                   "\ufeff" + oneInstance,
		"UTF-16, little-endian":               utf16Text(binary.LittleEndian, "\ufeff"+oneInstance),
		"UTF-16, big-endian":                  utf16Text(binary.BigEndian, "\ufeff"+oneInstance),
		"UTF-16, little-endian, without mark": utf16Text(binary.LittleEndian, oneInstance),
		"UTF-16, big-endian, without mark":    utf16Text(binary.BigEndian, oneInstance),
		"lines of Windows":                    strings.ReplaceAll(oneInstance, ", ", ",\r\n"),
		"space around it":                     "\n\t " + oneInstance + "\n\n",
		"YAML":                                "InstanceId: i-0123456789abcdef0\nTags:\n- Key: Name\n  Value: Zürich 🚀\n",
		"YAML in flow style":                  "{InstanceId: i-0123456789abcdef0, Tags: [{Key: Name, Value: Zürich 🚀}]}",
		"YAML with an alias":                  "x: &v Zürich 🚀\nInstanceId: i-0123456789abcdef0\nTags: [{Key: Name, Value: *v}]\n",
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := written(t, Options{}, content); err != nil || got != want {
				t.Errorf("%v\n%s", err, got)
			}
		})
	}
}

func TestRead_ErrorsNameTheFix(t *testing.T) {
	bomb := "a: &a [" + strings.Repeat("x,", 9) + "x]\n"
	for i := 'b'; i < 'j'; i++ {
		bomb += string(i) + ": &" + string(i) + " [" + strings.Repeat("*"+string(i-1)+",", 9) + "*" + string(i-1) + "]\n"
	}
	tests := []struct{ name, content, want string }{
		{"nothing", "", "in.json: empty; give the output of a command such as aws ec2 describe-instances"},
		{"space", " \n", "in.json: empty; give the output of a command such as aws ec2 describe-instances"},
		{"null", "null\n", "in.json: null, which a --query gives that finds nothing; leave it out"},
		{"a text", `"i-1"`, "in.json: neither JSON nor YAML; for the AWS CLI write --output json"},
		{"zero bytes", "{\"a\":1}\x00\x00{}", "in.json: holds a zero byte; this is neither JSON nor YAML"},
		{"half a character", "{\x00\"\x00a", "in.json: UTF-16 text with half a character at its end; is the file complete?"},
		{"Latin-1", "{\"a\": \"Z\xfcrich\"}", "in.json: not UTF-8 text; save it as UTF-8 or UTF-16"},
		{"two documents that are nothing known", "a: 1\n---\nb: 2\n", "in.json: a list of what is not an instance; give the whole output of aws ec2 describe-instances"},
		{"a text behind a document", "a: 1\n---\ntext\n", "in.json: neither JSON nor YAML; for the AWS CLI write --output json"},
		{"a cut file", "{\"Reservations\": [\n{", "in.json: line 2: not valid JSON: unexpected end of JSON input; is the file complete?"},
		{"an empty object", "{}", "in.json: an object without keys; give the output of aws ec2 describe-instances"},
		{"texts in a list", `["i-1"]`, "in.json: a list of what is not an instance; give the whole output of aws ec2 describe-instances"},
		{"no instance", `{"Reservations": []}`, "no instance in the input; add the output of aws ec2 describe-instances"},
		{"subnets alone", `{"Subnets": []}`, "no instance in the input; add the output of aws ec2 describe-instances"},
		{"no id", `{"Reservations": [{"Instances": [{"ImageId": "ami-1"}]}]}`, "an instance has no InstanceId; keep it in --query"},
		{"an instance among others", `[{"InstanceId": "i-1"}, {"a": 1}]`, "in.json: [1]: neither an instance nor anything else that an import uses; leave out --query"},
		{"an instance among texts", `[{"InstanceId": "i-1"}, "a"]`, "in.json: [1]: want an instance, but this is a single value"},
		{"a number for a text", `{"Reservations": [{"Instances": [{}, {"InstanceId": 17}]}]}`, "in.json: Reservations[0].Instances[1].InstanceId: want a text, but this is a number"},
		{"a text for a list", `{"Reservations": "AKIAIOSFODNN7EXAMPLE"}`, "in.json: Reservations: want a list, but this is a text"},
		{"a list for an object", `[[{"InstanceId": "i-1", "Placement": []}]]`, "in.json: [0][0].Placement: want an object, but this is a list"},
		{"a fraction", `{"InstanceId": "i-1", "AmiLaunchIndex": 1.5}`, "in.json: AmiLaunchIndex: want a whole number, but this is a number with a fraction, an exponent or too many digits"},
		{"a number of many digits", `{"InstanceId": "i-1", "AmiLaunchIndex": 99999999999999999999}`, "in.json: AmiLaunchIndex: want a whole number, but this is a number with a fraction, an exponent or too many digits"},
		{"a text for a boolean", `{"InstanceId": "i-1", "NetworkInterfaces": [{"PrivateIpAddresses": [{"Primary": "yes"}]}]}`, "in.json: NetworkInterfaces[0].PrivateIpAddresses[0].Primary: want true or false, but this is a text"},
		{"a key twice", `{"Reservations": [{"Instances": [{"InstanceId": "i-1", "Tags": [], "Tags": []}]}]}`, "in.json: Reservations[0].Instances[0].Tags: is there twice; leave one out"},
		{"one of many keys twice", `[{` + strings.Repeat(" ", 9) + numbered(100) + `"k60": 1, "InstanceId": "i-1"}]`, "in.json: [0].k60: is there twice; leave one out"},
		{"a key twice in YAML", "InstanceId: i-1\nTags: []\nTags: []\n", "in.json: Tags: is there twice; leave one out"},
		{"a merge key", "a: &a {b: c}\nInstanceId: i-1\n<<: *a\n", "in.json: line 3: the merge key << is not understood; write the keys out"},
		{"the second of two cut", oneInstance + "\n{\"InstanceId\": \"i-1\",\n", "in.json: line 2: not valid JSON: unexpected end of JSON input; is the file complete?"},
		{"lists of nothing", `[[], [[null]], null]`, "no instance in the input; add the output of aws ec2 describe-instances"},
		{"lists in lists", strings.Repeat("[", 9) + oneInstance + strings.Repeat("]", 9), "in.json: a list of what is not an instance; give the whole output of aws ec2 describe-instances"},
		{"lists in lists beside others", `{"Reservations": []}` + strings.Repeat("[", 9) + oneInstance + strings.Repeat("]", 9), "in.json: [1][0][0][0][0][0][0][0]: more than 8 lists in each other; leave out --query"},
		{"deep JSON", strings.Repeat("[", 20_000), "in.json: line 1: not valid JSON: invalid character '[' exceeded max depth; is the file complete?"},
		{"deep YAML", strings.Repeat("- ", 900) + "a", "in.json: line 1: deeper than 200 levels"},
		{"aliases", bomb, "in.json: line 1: more than 2000000 values; aliases repeat too much, or convert the file to JSON"},
		{"aliases of long texts", "a: &a [" + strings.Repeat("x", 1<<20) + "]\nb: [" + strings.Repeat("*a,", 70) + "*a]\n", "in.json: line 2: more than 64 MiB of values; aliases repeat too much, or convert the file to JSON"},
		{"aliases of many short texts", "a: &a [" + strings.Repeat("1,", 2000) + "1]\nb: [" + strings.Repeat("*a,", 1000) + "*a]\n", "in.json: line 1: more than 2000000 values; aliases repeat too much, or convert the file to JSON"},
		{"a large file", "a: " + strings.Repeat("x", 16<<20), "in.json: more than 16 MiB of YAML; for the AWS CLI write --output json"},
		{"a secret among the keys", `{"AKIAIOSFODNN7EXAMPLE": 1}`, "in.json: not known by its keys [redacted]; name its kind by --as " + strings.Join(Kinds(), "|")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := written(t, Options{}, tt.content); err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

// numbered are so many keys of an object.
func numbered(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"k%d": {"k%d": 0}, `, i, i)
	}
	return b.String()
}

// TestRead_TakesSeveralValuesOfAFile has what cat and jq write.
func TestRead_TakesSeveralValuesOfAFile(t *testing.T) {
	one, other, subnets := `{"InstanceId": "i-1"}`, `{"InstanceId": "i-2"}`, `{"Subnets": [{"SubnetId": "s", "CidrBlock": "10.0.0.0/8"}]}`
	want, err := written(t, Options{}, one, other, subnets)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"lines":                          one + "\n" + other + "\n" + subnets + "\n",
		"no space between":               one + other + subnets,
		"pages":                          `{"Reservations": [{"Instances": [` + one + `]}]}` + "\n" + `{"Reservations": [{"Instances": [` + other + `]}]}` + subnets,
		"lists of --query and a page":    `[[` + one + `], []]` + "\n" + `[` + other + "]\n" + subnets,
		"the CLI's yaml-stream":          "- Instances:\n  - InstanceId: i-1\n- Instances:\n  - InstanceId: i-2\n- Subnets:\n  - SubnetId: s\n    CidrBlock: 10.0.0.0/8\n",
		"a list of several answers":      `[` + one + `, {"Instances": [` + other + `]}, ` + subnets + `]`,
		"lists in lists":                 `[[[` + one + `]], [[` + other + `]], ` + subnets + `]`,
		"a word of YAML that is no bool": "- {InstanceId: i-1, X: !!bool 'true, \"InstanceId\": \"i-3\"'}\n- InstanceId: i-2\n- " + subnets,
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := written(t, Options{}, content); err != nil || got != want {
				t.Errorf("%v\n%s\nwant\n%s", err, got, want)
			}
		})
	}
}

func TestRead_RefusesTwoKinds(t *testing.T) {
	_, err := written(t, Options{}, oneInstance, `{"v1": {"cloud_name": "aws"}, "ds": {}}`)
	const want = "in.json: this is cloud-init, and in.json is describe-instances; import them one by one"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// FuzzReadEC2 checks that no input makes it panic, and that what it takes is written as YAML that it reads again.
func FuzzReadEC2(f *testing.F) {
	f.Add([]byte(oneInstance))
	f.Add([]byte(`{"Reservations": [{"OwnerId": "1", "Instances": [{"InstanceId": "i-1", "NetworkInterfaces": [{"Attachment": {"DeviceIndex": 0}}]}]}]}`))
	f.Add([]byte(`[[{"InstanceId":"i-1"}],{"Subnets":[{"SubnetId":"s","CidrBlock":"10.0.0.0/8"}]}]`))
	f.Add([]byte("\xff\xfe{\x00}\x00"))
	f.Add([]byte("a: &a [*a]"))
	f.Fuzz(func(t *testing.T, content []byte) {
		if text, err := written(t, Options{As: "ec2"}, string(content)); err == nil {
			if _, err := jsonOfYAML([]byte(text)); err != nil && len(text) > 60 {
				t.Errorf("%v in\n%s", err, text)
			}
		}
	})
}
