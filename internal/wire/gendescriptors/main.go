// Command gendescriptors makes internal/wire/descriptor/*.json from AWS's published API models.
//
// It needs a directory with <service>/service-2.json for each service of operations.json: the models
// that ship with botocore, for instance.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// descriptors are the directories of descriptors: those of the services that there are, and, for tests,
// those of services that speak as none of these does.
var descriptors = []string{"internal/wire/descriptor", "internal/wire/testdata"}

func main() {
	repo := flag.String("repo", ".", "root of the repository")
	models := flag.String("models", "", "directory of the API models (default ../shared/aws-models beside the repository)")
	flag.Parse()
	if err := run(*repo, *models); err != nil {
		fmt.Fprintln(os.Stderr, "gendescriptors:", err)
		os.Exit(1)
	}
}

func run(repo, models string) error {
	if models == "" {
		models = filepath.Join(repo, "..", "shared", "aws-models")
	}
	if _, err := os.Stat(models); err != nil {
		return fmt.Errorf("no API models: %w; name their directory with -models (botocore has them in botocore/data)", err)
	}
	for _, place := range descriptors {
		if err := describe(models, filepath.Join(repo, place)); err != nil {
			return err
		}
	}
	return nil
}

// describe writes the descriptors of the operations that are named in dir.
func describe(models, dir string) error {
	list, err := operations(dir)
	if err != nil {
		return err
	}
	for _, signingName := range slices.Sorted(maps.Keys(list)) {
		b, dropped, err := generate(models, signingName, list[signingName])
		if err != nil {
			return fmt.Errorf("%s: %w", signingName, err)
		}
		for _, p := range dropped {
			fmt.Fprintf(os.Stderr, "%s: pattern not checked, RE2 cannot take it: %s\n", signingName, p)
		}
		if err := os.WriteFile(filepath.Join(dir, signingName+".json"), b, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// wanted is what operations.json says about one service.
type wanted struct {
	Model      string   `json:"model"` // directory of its model
	Operations []string `json:"operations"`
}

// operations reads the list of what is described, by signing name.
func operations(dir string) (map[string]wanted, error) {
	b, err := os.ReadFile(filepath.Join(dir, "operations.json"))
	if err != nil {
		return nil, err
	}
	var list map[string]wanted
	if err := json.Unmarshal(b, &list); err != nil {
		return nil, fmt.Errorf("operations.json: %w", err)
	}
	return list, nil
}
