package ecr

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
)

// TestScanOnPushIsKept finds what was said about scans as it was said.
func TestScanOnPushIsKept(t *testing.T) {
	t.Parallel()
	a := open(t)
	scan := &types.ImageScanningConfiguration{ScanOnPush: true}
	if _, err := a.CreateRepository(t.Context(), &ecr.CreateRepositoryInput{RepositoryName: new("app"), ImageScanningConfiguration: scan}); err != nil {
		t.Fatal(err)
	}
	check := func(want bool) {
		t.Helper()
		out, err := a.DescribeRepositories(t.Context(), &ecr.DescribeRepositoriesInput{RepositoryNames: []string{"app"}})
		if err != nil || out.Repositories[0].ImageScanningConfiguration.ScanOnPush != want {
			t.Errorf("%+v, %v, want scanOnPush %v", out, err, want)
		}
	}
	check(true)
	scan.ScanOnPush = false
	if _, err := a.PutImageScanningConfiguration(t.Context(), &ecr.PutImageScanningConfigurationInput{RepositoryName: new("app"), ImageScanningConfiguration: scan}); err != nil {
		t.Fatal(err)
	}
	check(false)
}
