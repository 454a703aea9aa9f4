package importer

import (
	"fmt"
	"strings"
	"unicode"
)

// helm reads the values of AEMM's Helm chart: the settings below aemm, in camel case, of which empty ones are not set, and arguments.
func (m *aemm) helm(d *document, top, below map[string]any) error {
	if err := m.add(d, "", helmBlock(below)); err != nil {
		return err
	}
	if name := object(top).text("configMap"); name != "" {
		m.in.note(Hint, "configMap", "the file in %s counts, too; import it with this one", name)
	}
	for _, key := range []string{"arguments", "linuxArguments"} {
		if list, ok := object(top).get(key).([]any); ok && len(list) > 0 {
			m.in.note(Hint, key, "to take the arguments over: --aemm -- %s", strings.Trim(fmt.Sprint(list), "[]"))
		}
	}
	return nil
}

// helmBlock renames mockIPCount to mock-ip-count, and drops what the chart does not pass on.
func helmBlock(block map[string]any) map[string]any {
	renamed := map[string]any{}
	for name, value := range block {
		if inner, ok := value.(map[string]any); ok {
			renamed[kebab(name)] = helmBlock(inner)
			continue
		}
		if text, ok := scalarText(value); !ok || text == "" || text == "0" || text == "false" {
			continue
		}
		renamed[kebab(name)] = value
	}
	return renamed
}

// kebab writes a name in camel case with hyphens. A run of capitals is one word.
func kebab(name string) string {
	runes := []rune(name)
	var b strings.Builder
	for i, r := range runes {
		if unicode.IsUpper(r) && i > 0 {
			startsWord := unicode.IsLower(runes[i-1])
			endsRun := i+1 < len(runes) && unicode.IsLower(runes[i+1]) && unicode.IsUpper(runes[i-1])
			if startsWord || endsRun {
				b.WriteByte('-')
			}
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
