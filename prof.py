import cProfile,pstats,sys
sys.path.insert(0,'tests')
import pytest
cProfile.run('pytest.main(["-n","0","-q","-p","no:cacheprovider","tests/data/hospital/truths_test.py"])','/tmp/hosp.prof')
pstats.Stats('/tmp/hosp.prof').sort_stats('tottime').print_stats(14)
