import pytest

from pedsearch.datasets.reid_datasets.crop_table import ListedCrop, number_names, read_folder, read_table

from .crop_files import write_pictures


def table(tmp_path, text: str | bytes) -> str:
    path = tmp_path / 'train.csv'
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


@pytest.mark.parametrize('text', [
    'file,pid,camid\na/1.jpg,anna,2\n./2.jpg,,-1\n"b, c.jpg",-1,\n',
    '\ufefffile,pid,camid\r\na/1.jpg, anna ,2\r\n2.jpg,,\r\n\r\n"b, c.jpg",,\r\n',
    'camid,file,pid\n2,a/1.jpg,anna\n,2.jpg,\n-1, "b, c.jpg",-1'])
def test_tables_that_say_the_same(tmp_path, text):
    assert read_table(table(tmp_path, text)) == [
        ListedCrop('a/1.jpg', 'anna', '2'), ListedCrop('2.jpg'), ListedCrop('b, c.jpg')]


@pytest.mark.parametrize(('text', 'expected'), [
    ('file\n1.jpg', [ListedCrop('1.jpg')]), ('file,camid\n1.jpg,door', [ListedCrop('1.jpg', '', 'door')]),
    ('file,pid\n1.jpg,Zoë', [ListedCrop('1.jpg', 'Zoë')]), ('file,pid,camid\n', [])])
def test_columns_that_are_absent(tmp_path, text, expected):
    assert read_table(table(tmp_path, text)) == expected


@pytest.mark.parametrize(('text', 'message'), [
    ('', r'train\.csv must begin with the header "file,pid,camid" \(pid and camid optional\), got \'\''),
    ('1.jpg,anna,2\n', "got '1.jpg,anna,2'"), ('pid,camid\nanna,2\n', "got 'pid,camid'"),
    ('file,pid,camera\n1.jpg,anna,2\n', "got 'file,pid,camera'"), ('file;pid\n1.jpg;anna\n', "got 'file;pid'"),
    ('file,pid,pid\n1.jpg,anna,2\n', "got 'file,pid,pid'"),
    ('file,pid\n1.jpg,anna\n\n2.jpg\n', r'train\.csv, line 4 must have the 2 values "file,pid", got \'2\.jpg\''),
    ('file,pid\n1.jpg,anna,3\n', 'line 2 must have the 2 values'), ('file,pid\n,anna\n', "line 2 .* got ',anna'"),
    ('file,pid\n1.jpg,Zoë\n'.encode('latin-1'), r'train\.csv must be comma-separated UTF-8 text, got .*decode'),
    ('file,pid\n"1.jpg,anna\n2.jpg,ben\n', 'line 3 must have the 2 values'),
    ('file,pid\n' + 'a' * 200_000, r'must be comma-separated UTF-8 text, got field larger than')])
def test_malformed_tables(tmp_path, text, message):
    path = table(tmp_path, text)
    with pytest.raises(ValueError, match=message):
        read_table(path)


def test_no_table(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'gone\.csv does not exist; check data_root and ann_file'):
        read_table(str(tmp_path / 'gone.csv'))


def test_folders(tmp_path):
    write_pictures(tmp_path / 'train', ['ben/1.jpg', 'anna/first/1.jpg', 'anna/2.jpg', '3.jpg', '-1/4.jpg'])
    assert read_folder(str(tmp_path), 'train') == [
        ListedCrop('train/-1/4.jpg'), ListedCrop('train/3.jpg'), ListedCrop('train/anna/2.jpg', 'anna'),
        ListedCrop('train/anna/first/1.jpg', 'anna'), ListedCrop('train/ben/1.jpg', 'ben')]


@pytest.mark.parametrize('keep_integers', [True, False])
def test_numbers(keep_integers):
    assert number_names(['b', '', 'a', 'b'], keep_integers) == {'a': 0, 'b': 1, '': -1}
    assert number_names(['12', '', '007'], keep_integers) == {'007': [0, 7][keep_integers], '12': [1, 12][keep_integers], '': -1}
    assert number_names(['12', 'door'], keep_integers) == {'12': 0, 'door': 1, '': -1}
    assert number_names([''], keep_integers) == {'': -1}
