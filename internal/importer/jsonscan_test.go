package importer

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"
)

// objects are objects of JSON in which brackets, quotes and commas stand in odd places.
func objects() []string {
	return []string{
		`{}`, ` { } `, `{"a":1}`, `{"a" : 1 , "b":[ ] ,"c":{}}`, `{"a":"}"}`, `{"a":"\""}`, `{"a":"\\","b":"\\\""}`, `{"\"":"]"}`, `{"\\":1,"b":"x\\"}`,
		`{"a":[1,[2,{"b":"]"}],"\\"],"c":-1.5e+3}`, `{"a":true,"b":null,"c":false}`, "{\r\n\t\"a\":\n1\n,\n\"b\":2}", `{"a":{"a":{"a":"{"}}}`, `{"\u0061":"\ud83d\ude80","é":"🚀"}`,
		`{"":{"":[]}}`, `{"a":"\\\\","b":[{"c":"\\\""},"\"["]}`,
	}
}

func TestEachField_FindsWhatTheJSONPackageFinds(t *testing.T) {
	for _, text := range objects() {
		want, got := map[string]json.RawMessage{}, map[string]json.RawMessage{}
		if err := json.Unmarshal([]byte(text), &want); err != nil {
			t.Fatal(text, err)
		}
		if err := eachField([]byte(text), func(key string, value json.RawMessage) { got[key] = value }); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if !maps.EqualFunc(got, want, func(a, b json.RawMessage) bool { return string(a) == string(b) }) {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
		if at := repeatedKey([]byte(text)); at >= 0 {
			t.Errorf("%s: a key twice before %d", text, at)
		}
	}
}

func TestElements_FindsWhatTheJSONPackageFinds(t *testing.T) {
	for _, text := range append(objects(), `1`, `"a"`, `null`, `[]`, `[[],[]]`, `"\"]"`) {
		list := "[" + text + ", " + text + "," + text + "\n]"
		var want []json.RawMessage
		if err := json.Unmarshal([]byte(list), &want); err != nil {
			t.Fatal(list, err)
		}
		if got := slices.Collect(elements([]byte(list))); !slices.EqualFunc(got, want, func(a, b json.RawMessage) bool { return string(a) == string(b) }) {
			t.Errorf("%s: got %s, want %s", list, got, want)
		}
		for range elements([]byte(list)) {
			break // a loop may end early
		}
	}
}

func TestRepeatedKey_TellsObjectsApart(t *testing.T) {
	for text, want := range map[string]int{
		`{"a":1,"a":2}`:                   10,
		`{"a":{"b":1},"b":2}`:             -1,
		`{"a":{"b":1},"c":{"b":1,"b":2}}`: 27,
		`[{"a":1},{"a":1}]`:               -1,
		`{"a":["b","b"],"b":"b"}`:         -1,
		`{"a":"a","b":["a",{"a":1}]}`:     -1,
		`{"a":{"b":{"c":1}},"d":1,"a":2}`: 28,
		`{"\"":1,"\\":2,"\"":3}`:          19,
	} {
		if got := repeatedKey([]byte(text)); got != want {
			t.Errorf("%s: %d, want %d", text, got, want)
		}
	}
}
