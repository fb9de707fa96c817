# Source msmt17 with identities, target market1501 without; batches of 64 images of each.
_base_ = './spcl_r50_1xb64-50e_market1501.py'
model = dict(domain_norm=True)
train_dataloader = dict(
    batch_size=128,
    sampler=dict(
        _delete_=True,
        type='CrossDomainSampler',
        global_batch_size=128,
        num_iters=400,
        source=dict(type='MultipleGallerySampler', num_instances=4),
        target=dict(type='MultipleGallerySampler', num_instances=4)),
    dataset=dict(
        _delete_=True,
        type='CrossDomainDataset',
        source=dict(
            type='MSMT17Dataset', data_root='data/msmt17', split='train', pipeline={{_base_.train_pipeline}}),
        target=dict(
            type='Market1501Dataset', data_root='data/market1501', split='train', pipeline={{_base_.train_pipeline}})))
