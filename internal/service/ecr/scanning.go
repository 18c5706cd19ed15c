package ecr

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/skylift/skylift/internal/service/ecr/record"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

// PutImageScanningConfiguration keeps whether images are to be scanned when they are pushed.
func (a *API) PutImageScanningConfiguration(ctx context.Context, in *ecr.PutImageScanningConfigurationInput) (*ecr.PutImageScanningConfigurationOutput, error) {
	if err := a.records.Check(in.RegistryId, in.RepositoryName); err != nil {
		return nil, err
	}
	scan := in.ImageScanningConfiguration.ScanOnPush
	_, err := a.records.Change(ctx, *in.RepositoryName, func(repo *record.Repository) error {
		repo.ScanOnPush = scan
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &ecr.PutImageScanningConfigurationOutput{
		ImageScanningConfiguration: &types.ImageScanningConfiguration{ScanOnPush: scan},
		RegistryId:                 &a.records.NS.Account,
		RepositoryName:             in.RepositoryName,
	}, nil
}

// Wishes lists what repositories keep without effect.
func Wishes(tx store.Tx) (out []wire.Wish, err error) {
	for repo, err := range record.RepositoryRows.Peek(tx, "") {
		if err != nil {
			return nil, fmt.Errorf("list repositories: %w", err)
		}
		if repo.ScanOnPush {
			out = append(out, wire.Wish{What: "scanOnPush", Why: notScanned, Resource: repo.Name})
		}
	}
	return out, nil
}
