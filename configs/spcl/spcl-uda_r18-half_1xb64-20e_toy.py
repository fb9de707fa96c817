# Both domains are the toy crops here: what matters is that every part runs.
_base_ = './spcl_r18-half_1xb64-20e_toy.py'
model = dict(domain_norm=True)
train_dataloader = dict(
    sampler=dict(
        _delete_=True,
        type='CrossDomainSampler',
        global_batch_size=64,
        num_iters=20,
        source=dict(type='MultipleGallerySampler', num_instances=4),
        target=dict(type='MultipleGallerySampler', num_instances=4)),
    dataset=dict(
        _delete_=True,
        type='CrossDomainDataset',
        source=dict(
            type='CropDataset', data_root='data/toy_crops', split='train', pipeline={{_base_.train_pipeline}}),
        target=dict(
            type='CropDataset', data_root='data/toy_crops', split='train', pipeline={{_base_.train_pipeline}})))
