// Package scan answers ECR's operations about the vulnerabilities of images, and finds them.
//
// A scan reads the packages of an image once. Its findings are never kept: they are found in the packages by the vulnerability
// database that there is, so that they are as young as it.
package scan

import (
	"context"

	sdk "github.com/aws/aws-sdk-go-v2/service/ecr"

	"github.com/skylift/skylift/internal/service/ecr/record"
	"github.com/skylift/skylift/internal/service/ecr/scan/osv"
	"github.com/skylift/skylift/internal/wire"
)

// databases has the vulnerability database. *vulndb.DB implements it.
type databases interface {
	Current(ctx context.Context) (db *osv.Database, mark string, err error)
	Changes(ctx context.Context, f func() error) error
}

// API has a handler for every operation about scans.
type API struct {
	records   *record.Records
	databases databases
}

// New returns the API.
func New(records *record.Records, d databases) *API { return &API{records, d} }

// Operations lists the handlers by the names that AWS has for them.
func (a *API) Operations() []wire.Operation {
	const on = "repository: repositoryName"
	return []wire.Operation{
		wire.Op("BatchGetRepositoryScanningConfiguration", a.BatchGetRepositoryScanningConfiguration).On("repository: repositoryNames").Takes("repositoryNames"),
		wire.Op("DescribeImageScanFindings", a.DescribeImageScanFindings).On(on).Takes("registryId repositoryName imageId{*} maxResults nextToken"),
		wire.Op("GetRegistryScanningConfiguration", a.GetRegistryScanningConfiguration),
		wire.Op("PutImageScanningConfiguration", a.PutImageScanningConfiguration).On(on).Takes("registryId repositoryName imageScanningConfiguration{scanOnPush}"),
		wire.Op("PutRegistryScanningConfiguration", a.PutRegistryScanningConfiguration).Takes("scanType rules{*}").
			Checks(func(in *sdk.PutRegistryScanningConfigurationInput) []error { return registryFaults(in) }),
		wire.Op("StartImageScan", a.StartImageScan).On(on).Takes("registryId repositoryName imageId{*}"),
	}
}
