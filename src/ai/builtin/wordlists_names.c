/* What is well known of names; "_" joins the words of a phrase. Folded to lower case, as terms are. */
#include "names.h"
#include "wordlists.h"

const struct lam_words lam_words_names[] = {
    {LAM_NAME_FIRST,
     "aaron abdul abdullah adam adrian ahmed aisha akira alan albert alejandro alex alexander alexei ali alice allison amanda amelia amir amy ana "
     "andrea andreas andrei andrew andy angela anita ann anna anne anthony antonio anwar arjun arnold arthur arturo ashley barbara barry "
     "beatrice ben benjamin bernard bernhard beth betty bill billy bob bobby boris brad brandon brenda brent brett brian bruce bruno bryan carl "
     "carla carlo carlos carmen carol caroline catherine charles charlie chen chloe chris christian christina christine christopher chuck "
     "claire claude claudia colin connie craig curt cynthia daniel daniela danny darren dave david deborah debra denis dennis derek diana diane "
     "diego dick dieter dmitri don donald donna doris dorothy doug douglas drew duncan dustin dylan earl ed eddie edgar eduardo edward edwin elena eli "
     "elizabeth ellen elliot emily emma emmanuel eric erik ernest esther ethan eugene eva evan evelyn fatima felipe felix fernando frances "
     "francesco francis francisco franck frank frankie franz fred frederick friedrich gabriel gary gavin geoff geoffrey george gerald gerard gerhard giovanni "
     "giuseppe glen glenn gloria gordon grace graham greg gregory guillermo gustav guy hamid hans harold harriet harry harvey hassan heather "
     "hector heidi heinz helen helga henri henry herbert hiroshi howard hugh hugo ian ibrahim igor ingrid irene isaac isabel ivan jack jackie jacob "
     "jacques jaime jake james jamie jan jane janet jason javier jean jeff jeffrey jennifer jenny jeremy jerome jerry jesse jessica jesus jim jimmy "
     "joan joanna joe joel johan johannes john johnny jon jonathan jorge jose josé joseph josh joshua juan juanita judith judy julia julian julie "
     "julio justin jürgen karen karl karim kate katherine kathleen kathy katie keith kelly ken kenneth kevin kim klaus kofi kristen kurt kyle lance "
     "larry laura lauren laurence lawrence lee leon leonard leslie li linda lisa liz lorenzo louis louise lucas lucia lucy luis luke lynn "
     "manuel marc marcel marco marcos marcus margaret maria maría marie marilyn mario marion mark markus marta martha martin marvin mary matt matteo "
     "matthew maurice max megan melissa michael michel michelle miguel mike mikhail mohamed mohammad mohammed monica muhammad nancy "
     "naomi natalie natasha nathan neil nicholas nick nicky nicolas nicole nigel nikolai nina noah nora norman oleg olga oliver olivier omar oscar otto "
     "pablo pamela patricia patrick paul paula paulo pavel pedro peggy penny pete peter phil philip philippe phillip pierre priya rachel rafael "
     "rahul ralph ramon randy raj raul ray raymond rebecca rené ricardo richard rick ricky rob robert roberto robin rodney roger roland roman "
     "romano ron ronald rosa rose roy ruben rudolf rudy russell ruth ryan sally salman sam samantha samuel sandra sarah saul scott sean sebastian "
     "serena sergei sergey sergio shane shannon sharon sheila shirley silvio simon sofia sonia sophia sophie stacy stan stanley stefan stella stephanie "
     "stephen steve steven stuart sue susan suzanne svetlana sylvia tanya tara ted teresa terry theo theresa thomas tiffany tim timothy tina todd tom "
     "tommy toni tony tracy trevor tyler ulrich ursula valerie vanessa venus vera vicente victor victoria vijay vikram vincent virginia vladimir "
     "wally walter wanda wayne wei wendy werner wilhelm william willie wolfgang xavier yasser yasmin yusuf yuri yves zachary zhang"},
    {LAM_NAME_TITLE,
     "mr mrs ms miss dr doctor prof professor sir madam dame lord president minister senator secretary chancellor governor mayor judge "
     "justice captain sergeant sgt colonel col lieutenant lt coach pope bishop archbishop cardinal queen prince princess ayatollah sheikh "
     "sheik congressman congresswoman rep sen gov gen rev reverend commissioner inspector detective officer chairman chairwoman premier "
     "ambassador envoy ceo cfo quarterback goalkeeper striker midfielder defender frau herr fräulein señor señora monsieur madame signor "
     "signora président presidente präsident kanzler bundeskanzler bundeskanzlerin ministre ministro premierminister"},
    {LAM_NAME_TITLE_PART,
     "prime deputy vice chief executive general attorney defence defense foreign finance interior major brigadier high acting "
     "former senior assistant managing lead head staff trade economy"},
    {LAM_NAME_ROLE,
     "actor actress analyst artist astronaut attorney author batsman boss bowler boxer brother businessman captain catcher center centre ceo chairman "
     "challenger champion chef chief coach colleague commissioner cornerback dad daughter defender defenseman deputy designer director "
     "driver economist editor engineer envoy father fielder forward founder friend goalie goalkeeper goaltender golfer "
     "guard guitarist guru hero husband inventor jockey judge king lawmaker lawyer leader lieutenant "
     "linebacker manager mayor mediator midfielder minister mother musician negotiator neighbor nominee novelist officer opener owner "
     "partner physicist pilot pitcher player playmaker president prime prisoner prosecutor quarterback receiver researcher hander "
     "rival rocker runner scientist secretary seed senator shortstop singer sister skipper slugger son spokesman spokeswoman sprinter "
     "striker student superstar suspect swimmer tackle teammate teenager tenor veteran vp wife winger winner witness writer"},
    {LAM_NAME_LEGAL,
     "inc incorporated corp corporation co company companies ltd limited llc llp plc gmbh ag sa nv bv oyj ab asa spa kg kgaa srl pty bhd sdn sarl "
     "holdings holding group industries svcs"},
    {LAM_NAME_BODY,
     "university college school academy institute institution bank bancorp ministry department commission committee council association "
     "federation organization organisation union agency authority administration bureau board court party congress parliament senate assembly office "
     "foundation society league conference club team church army navy corps force police hospital museum laboratory laboratories lab labs center "
     "airlines airways air motors electric energy oil gas petroleum steel pharmaceuticals pharmaceutical technologies technology systems software "
     "networks network communications telecom wireless media entertainment pictures records studios publishing books press news times post "
     "journal herald tribune financial finance insurance capital securities partners associates consulting services solutions enterprises "
     "brothers sons foods stores markets international global federal reserve treasury exchange nations cross fund trust alliance coalition front "
     "brigade brigades movement robotics electronics semiconductor instruments research collectors recovery collection fc united athletic "
     "sox yankees mets cubs dodgers giants braves astros cardinals royals devil rays marlins phillies pirates padres rangers indians tigers twins "
     "orioles mariners angels athletics brewers expos knicks lakers celtics bulls heat kings rockets spurs pistons pacers nets nuggets cavaliers hawks "
     "patriots eagles packers cowboys redskins giants jets dolphins bills browns bengals steelers ravens titans colts texans jaguars chiefs raiders "
     "broncos chargers vikings lions bears saints falcons panthers buccaneers seahawks rams cardinals 49ers longhorns gators bulldogs wildcats "
     "universität hochschule bahn banco banque université universidad universidade università ministerium ministère ministerio verein gesellschaft"},
    {LAM_NAME_SITE,
     "city county island islands river lake street avenue road airport park stadium bay valley beach square bridge province strip hills heights "
     "mountain mountains sea ocean desert peninsula gulf canal creek falls harbor harbour village town township district arch garden gardens tower "
     "arena center centre territory territories region springs canyon boulevard lane station plaza palace zone coast"},
    {LAM_NAME_SITE_HEAD,
     "lake mount mt port san santa saint st são sao los las el new cape fort rio gulf isle strait north south east west northern southern eastern "
     "western central upper lower greater bad ciudad villa puerto"},
    {LAM_NAME_DIRECTION, "north south east west northern southern eastern western central northeast northwest southeast southwest"},
    {LAM_NAME_KNOWN_PLACE,
     "afghanistan albania algeria andorra angola argentina armenia australia austria azerbaijan bahamas bahrain bangladesh barbados belarus belgium "
     "belize benin bhutan bolivia bosnia botswana brazil brunei bulgaria burma burundi cambodia cameroon canada chad chile china colombia "
     "congo croatia cuba cyprus denmark djibouti dominica ecuador egypt eritrea estonia ethiopia fiji finland france gabon gambia georgia "
     "germany ghana greece greenland grenada guatemala guinea guyana haiti honduras hungary iceland india indonesia iran iraq ireland israel italy "
     "jamaica japan jordan kazakhstan kenya kosovo kuwait kyrgyzstan laos latvia lebanon lesotho liberia libya liechtenstein lithuania luxembourg "
     "macedonia madagascar malawi malaysia maldives mali malta mauritania mauritius mexico moldova monaco mongolia montenegro morocco "
     "mozambique myanmar namibia nepal netherlands nicaragua niger nigeria norway oman pakistan palestine panama paraguay peru philippines "
     "poland portugal qatar romania russia rwanda senegal serbia singapore slovakia slovenia somalia spain sudan suriname swaziland "
     "sweden switzerland syria taiwan tajikistan tanzania thailand togo tunisia turkey turkmenistan uganda ukraine uruguay uzbekistan "
     "vanuatu venezuela vietnam yemen zambia zimbabwe britain england scotland wales darfur chechnya kashmir gaza tibet "
     "guinea_bissau saudi_arabia south_africa south_korea north_korea new_zealand sri_lanka costa_rica el_salvador puerto_rico hong_kong united_states "
     "united_kingdom united_arab_emirates czech_republic dominican_republic ivory_coast sierra_leone burkina_faso papua_new_guinea "
     "east_timor northern_ireland vatican_city west_bank middle_east gaza_strip persian_gulf u_s u_k u_s_a u_a_e us uk usa uae "
     "deutschland österreich schweiz frankreich italien spanien türkei russland allemagne espagne italie suisse états_unis españa francia "
     "alemania italia europe asia africa antarctica americas america "
     "alabama alaska arizona arkansas california colorado connecticut delaware florida hawaii idaho illinois indiana iowa kansas kentucky "
     "louisiana maine maryland massachusetts michigan minnesota mississippi missouri montana nebraska nevada ohio oklahoma oregon "
     "pennsylvania tennessee texas utah vermont virginia washington wisconsin wyoming new_york new_jersey new_mexico new_hampshire north_carolina "
     "south_carolina north_dakota south_dakota rhode_island west_virginia new_england ontario quebec alberta manitoba british_columbia nova_scotia "
     "queensland victoria tasmania new_south_wales bavaria bayern hessen sachsen catalonia andalusia lombardy sicily normandy punjab gujarat "
     "calif ariz colo conn fla ill mich minn wis okla tenn mass ny nj dc ca tx fl ohio ga va pa md nc sc wash ore nev kan ala ky "
     "d_c n_j n_y s_c n_c s_d n_d n_h n_m r_i w_va l_a "
     "london paris berlin madrid rome vienna prague warsaw budapest athens lisbon dublin brussels amsterdam copenhagen stockholm oslo helsinki "
     "moscow kiev kyiv minsk bucharest sofia belgrade zagreb sarajevo istanbul ankara geneva zurich zürich basel bern munich münchen hamburg frankfurt "
     "köln cologne stuttgart düsseldorf dresden leipzig hannover milan naples turin venice florence barcelona valencia seville sevilla lyon marseille "
     "toulouse bordeaux strasbourg manchester liverpool birmingham leeds glasgow edinburgh cardiff belfast bristol oxford cambridge newcastle "
     "rotterdam antwerp porto kraków krakow gdansk riga vilnius tallinn reykjavik bergen oulu tromsø "
     "beijing shanghai guangzhou shenzhen taipei tokyo osaka kyoto nagoya yokohama seoul pyongyang bangkok jakarta manila hanoi saigon "
     "kuala_lumpur phnom_penh delhi new_delhi mumbai bombay calcutta kolkata madras chennai bangalore hyderabad karachi lahore islamabad kabul "
     "dhaka colombo kathmandu rangoon yangon tehran baghdad basra fallujah najaf mosul kirkuk samarra damascus beirut amman jerusalem tel_aviv haifa "
     "ramallah riyadh jeddah mecca dubai abu_dhabi doha sanaa cairo alexandria tripoli tunis algiers casablanca rabat khartoum nairobi "
     "addis_ababa mogadishu kampala kigali kinshasa luanda lagos abuja accra abidjan dakar harare bulawayo lusaka maputo johannesburg "
     "cape_town pretoria durban ndjamena sydney melbourne brisbane perth adelaide canberra auckland wellington port_moresby toronto montreal "
     "montréal vancouver ottawa calgary edmonton winnipeg new_york_city los_angeles chicago houston phoenix philadelphia san_antonio san_diego dallas "
     "san_jose austin san_francisco columbus indianapolis seattle denver boston nashville detroit memphis portland las_vegas louisville "
     "baltimore milwaukee albuquerque tucson fresno sacramento kansas_city atlanta omaha miami oakland minneapolis tulsa cleveland "
     "new_orleans tampa tampa_bay honolulu anaheim st_louis st_paul pittsburgh cincinnati anchorage buffalo orlando newark salt_lake_city "
     "charlotte jacksonville richmond hartford manhattan brooklyn harlem hollywood silicon_valley wall_street mexico_city guadalajara havana kingston "
     "caracas bogota bogotá lima quito la_paz santiago buenos_aires montevideo sao_paulo so_paulo são_paulo rio_de_janeiro brasilia brasília"},
    {LAM_NAME_KNOWN_ORG,
     "ap afp reuters upi cnn bbc nbc cbs abc fox_news cbs_news espn npr itv nyse nasdaq fbi cia nsa nasa fda fcc ftc sec irs epa fema cfpb faa pentagon "
     "congress kremlin un u_n eu e_u nato opec asean imf wto who unicef unesco icc fifa uefa ioc nba nfl nhl mlb ncaa nascar pga lpga wta atp hamas "
     "hezbollah taliban al_qaida al_qaeda fatah ibm sap amd hp intel microsoft google apple yahoo amazon ebay oracle cisco dell sony samsung "
     "nokia motorola ericsson toyota honda nissan bmw volkswagen audi fiat renault peugeot siemens bosch bayer basf pfizer novartis roche merck boeing airbus "
     "lufthansa unilever nestle nestlé pepsi pepsico mcdonald's starbucks walmart wal_mart exxon chevron shell enron citigroup jpmorgan wells_fargo "
     "goldman_sachs morgan_stanley merrill_lynch american_express capital_one chase equifax experian transunion paypal netflix facebook twitter "
     "verizon at_t vodafone comcast aol novell sap netscape red_hat motley_fool white_house red_cross red_sox white_sox real_madrid gop ira plo"},
    {LAM_NAME_NATION,
     "afghan african albanian algerian american american-led arab arabic argentine armenian asian australian austrian azerbaijani bangladeshi belgian "
     "bolivian bosnian brazilian british briton bulgarian burmese cambodian canadian caribbean catalan catholic caucasian chechen chilean chinese "
     "christian colombian croatian cuban cypriot czech danish dutch egyptian english estonian ethiopian european filipino finnish french georgian german "
     "ghanaian greek haitian hebrew hindu hispanic hungarian icelandic indian indonesian iranian iraqi irish islamic islamist israeli italian jamaican "
     "japanese jewish jordanian kenyan korean kurdish kuwaiti latin latino latvian lebanese libyan lithuanian malaysian mediterranean mexican "
     "mongolian moroccan muslim nepalese nigerian norwegian pakistani palestinian panamanian persian peruvian philippine polish portuguese "
     "protestant roman romanian russian rwandan saudi scottish serb serbian shia shiite shi'ite slovak slovenian somali soviet spanish "
     "sudanese sunni swedish swiss syrian taiwanese thai tibetan tunisian turkish ugandan ukrainian venezuelan vietnamese welsh yemeni "
     "zimbabwean americans africans arabs australians austrians belgians britons brazilians canadians christians czechs danes dutchman egyptians "
     "europeans germans greeks hindus indians iranians iraqis israelis italians jews kurds mexicans muslims nigerians pakistanis "
     "palestinians poles russians scots serbs shiites spaniards sunnis swedes swiss syrians tamils turks ukrainians dutchwoman frenchman "
     "englishman irishman deutsche deutscher deutschen französische italienische democrat democrats democratic republican republicans"},
    {LAM_NAME_WEEKDAY,
     "monday tuesday wednesday thursday friday saturday sunday mondays tuesdays wednesdays thursdays fridays saturdays sundays montag dienstag mittwoch donnerstag "
     "freitag samstag sonntag sonnabend lundi mardi mercredi jeudi vendredi samedi dimanche lunes martes miércoles jueves viernes sábado "
     "domingo"},
    {LAM_NAME_NEVER,
     "api apis vat csv tls ssl sso saml po json yaml toml vpn dns dhcp tcp udp ssh ftp sftp crm erp sla slas kpi kpis roi qa ux ui gui cli sdk ide os db iot ai ml "
     "llm iban bic swift oauth jwt ldap smtp imap vm vms rest soap rpc acl arp nat lan wan wlan wifi nfc rfid led lcd hdmi sata ssd hdd nvme bios uefi pci "
     "mpi hpc gpl bsd rfc iso din utf ascii uuid guid crc md5 sha aes rsa des otp mfa totp kyc aml gdpr pii sku skus eta etd rma invoice order "
     "pc pcs tv tvs cd cds dvd dvds ip it im id ids ok pin atm ssn dob apr faq pdf url urls usb http https html xml sql cpu gpu ram gps sms mms "
     "mp3 vp ceo cfo cto hr pr rv suv suvs ufo aids hiv dna rna phd mba ira's gmt utc est edt pst pdt cet am pm ad bc asap fyi aka llb xx xxx "
     "xxxx no yes hello hi dear internet web email online quote profile research full-story description update "
     "correction world_series photo christmas easter ramadan thanksgiving olympic olympics olympiad bible koran god linux windows unix java xbox playstation ipod "
     "itunes firefox explorer mozilla iii ii iv vi vii viii ix xi xii mom dad credit report chapter bankruptcy section act game world cup "
     "series championship championships champions trophy open masters division grand prix tour super bowl "
     "error warning info debug notice fatal status attached please thanks thank congratulations great good bad nice excellent everything nothing someone "
     "somebody nobody everybody something anyone today tomorrow yesterday recently however instead meanwhile retail oil shares stocks students "
     "lawyers officials police scientists researchers experts analysts consumers customers users both many most several few three two four "
     "five six seven eight nine ten hundreds thousands millions dozens fcra fdcpa fcba tila respa hipaa"},
    {LAM_NAME_PARTICLE, "de da do dos das di del della der den des du la le van von bin ibn al el ter ten zu zur y e bint ben"},
    {LAM_NAME_AT, "in near outside inside throughout across toward towards from around northern southern"},
    {LAM_NAME_SAY,
     "said says say told added announced believes claimed argued explained wrote replied warned insisted noted called asked reported agreed "
     "denied confirmed declined thinks wants believed scored won lost beat hit"},
    {LAM_NAME_BUSINESS,
     "shares stock stocks spokesman spokeswoman officials executives subsidiary company maker giant firm software products chipmaker carmaker airline "
     "bank brand chain retailer customers employees unit profit researchers"},
    {0, NULL},
};
