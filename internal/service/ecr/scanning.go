package ecr

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
)

// PutImageScanningConfiguration keeps whether images are to be scanned when they are pushed.
func (a *API) PutImageScanningConfiguration(ctx context.Context, in *ecr.PutImageScanningConfigurationInput) (*ecr.PutImageScanningConfigurationOutput, error) {
	if err := a.check(in.RegistryId, in.RepositoryName); err != nil {
		return nil, err
	}
	scan := in.ImageScanningConfiguration.ScanOnPush
	err := a.update(ctx, *in.RepositoryName, func(repo *Repository) error {
		repo.ScanOnPush = scan
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &ecr.PutImageScanningConfigurationOutput{
		ImageScanningConfiguration: &types.ImageScanningConfiguration{ScanOnPush: scan},
		RegistryId:                 &a.records.ns.Account,
		RepositoryName:             in.RepositoryName,
	}, nil
}
