package contract_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"homebase/system"
)

const root = "../../"

// pages is the text of every file that operators follow, by its path from the root.
func pages(t *testing.T, patterns ...string) map[string]string {
	t.Helper()
	texts := map[string]string{}
	for _, pattern := range patterns {
		paths, err := filepath.Glob(root + pattern)
		if err != nil || len(paths) == 0 {
			t.Fatalf("nothing is like %s: %v", pattern, err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			texts[strings.TrimPrefix(path, root)] = string(text)
		}
	}
	return texts
}

// TestDocs_TheProxyPageShowsTheLinesThatAreTried: the page and the file that
// the end-to-end tests run nginx with have the same directives.
func TestDocs_TheProxyPageShowsTheLinesThatAreTried(t *testing.T) {
	t.Parallel()
	texts := pages(t, "deploy/nginx-proxy-manager.*")
	_, shown, _ := strings.Cut(texts["deploy/nginx-proxy-manager.md"], "```nginx\n")
	shown, _, _ = strings.Cut(shown, "```")
	tried := regexp.MustCompile(`(?m)^#.*\n`).ReplaceAllString(texts["deploy/nginx-proxy-manager.conf"], "")
	if shown != tried || shown == "" {
		t.Errorf("the page shows\n%s\nand the file has\n%s", shown, tried)
	}
}

// TestDocs_NameOnlyCommandsThatExist looks at every "homebase x" of the pages.
func TestDocs_NameOnlyCommandsThatExist(t *testing.T) {
	t.Parallel()
	commands := commandTable(t)
	named := 0
	for path, text := range pages(t, "README.md", "docs/*.md", "deploy/*.md") {
		for _, call := range regexp.MustCompile(`\bhomebase( [a-z][a-z-]*)+`).FindAllString(text, -1) {
			named++
			if _, _, err := commands.Find(strings.Fields(call)[1:]); err != nil {
				t.Errorf("%s: %v", path, err)
			}
		}
	}
	if named < 10 {
		t.Errorf("only %d commands were found", named)
	}
}

// TestDocs_NameOnlySettingsThatExist: one that does not would refuse to start.
func TestDocs_NameOnlySettingsThatExist(t *testing.T) {
	t.Parallel()
	example := pages(t, "deploy/homebase.env")["deploy/homebase.env"]
	lines := regexp.MustCompile(`(?m)^#?HOMEBASE_.*$`).FindAllString(example, -1)
	for i := range lines {
		lines[i] = strings.TrimPrefix(lines[i], "#")
	}
	cfg, err := system.LoadConfig(lines)
	if err != nil {
		t.Errorf("deploy/homebase.env: %v", err)
	}
	// What compose.yaml asks of the operator, not of the program.
	known := append(slices.Collect(maps.Keys(cfg.Values())), "HOMEBASE_BACKUP", "HOMEBASE_DATA", "HOMEBASE_PUBLISH")
	for path, text := range pages(t, "README.md", "docs/*.md", "deploy/*.*", "deploy/Dockerfile") {
		for _, name := range regexp.MustCompile(`\bHOMEBASE_[A-Z][A-Z_]+`).FindAllString(text, -1) {
			if !slices.Contains(known, strings.TrimSuffix(name, "_FILE")) {
				t.Errorf("%s: %s is no setting", path, name)
			}
		}
	}
}
